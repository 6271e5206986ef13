#!/usr/bin/env python
"""Pack the clouds of data sets, so that an epoch opens no file per sample.

python tools/dataset_converters/pack_points.py configs/act/act_pretrain_shapenet.py
python tools/dataset_converters/pack_points.py --dataset ShapeNet55 --data-root data/ShapeNet55-34 --split train test

One file NAME.pack is written per split, into the data set's folder, where the
data set finds it; samples are the same with and without it. A config's data
sets are packed as its pipelines read them. An interrupted call is continued by
the same command; a pack that is up to date is left alone.
"""  # noqa: E501

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmdet3d_act.datasets.packing import PackJob

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit code 2: something is missing or damaged; the message '
        'says what.',
    )
    add = parser.add_argument
    add('config', nargs='?', help='config whose data sets are packed')
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    add('--dataset', metavar='CLASS', help='instead of a config: its class')
    add('--data-root', help='folder of the data set')
    add('--split', nargs='+', default=[None], help='its splits')
    add(
        '--options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='its further arguments, for example classes=folders',
    )
    add(
        '--load-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of LoadPointCloud, for example npz_key=points',
    )
    add('--out', help="folder of the packs (default: the data set's)")
    add(
        '--on-error',
        choices=['raise', 'skip'],
        default='raise',
        help='skip: a cloud that cannot be used is packed as such, and left '
        "out in training with on_error='skip' (default: %(default)s)",
    )
    add(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='processes that read (default: this one)',
    )
    add(
        '--verify',
        action='store_true',
        help='compare packs with their checksums, and pack nothing',
    )
    args = parser.parse_args(argv)
    if (args.config is None) == (args.dataset is None):
        parser.error('give a config, or a data set with --dataset')
    if args.dataset is not None and args.data_root is None:
        parser.error('--dataset needs --data-root')
    if args.workers < 0:
        parser.error(f'--workers must be >= 0, got {args.workers}')
    return args


def find_datasets(args: argparse.Namespace) -> list[dict]:
    """Return the configs of the data sets that the command line names."""
    from mmdet3d_act import datasets  # noqa: F401 - registers them
    from mmdet3d_act.datasets.packing import iter_dataset_cfgs
    from mmdet3d_act.engine import launch

    if args.dataset is not None:
        return [
            dict(
                type=args.dataset,
                data_root=args.data_root,
                split=split,
                pipeline=[dict(type='LoadPointCloud', **args.load_options)],
                **args.options,
            )
            for split in args.split
        ]
    cfg = launch.load_config(args.config, args.cfg_options).to_dict()
    found = [
        one
        for key, loader in cfg.items()
        if key.endswith('_dataloader') and loader
        for one in iter_dataset_cfgs(loader['dataset'])
    ]
    if not found:
        raise launch.UsageError(f'{args.config} has no data set')
    return found


def find_jobs(args: argparse.Namespace) -> list[PackJob]:
    """Return the packs to be made, each once.

    Raises:
        ValueError: If two data sets read the same clouds differently.
    """
    from mmdet3d_act.datasets.packed_samples import loader_options
    from mmdet3d_act.datasets.packing import list_jobs

    jobs: dict[str, PackJob] = {}
    for cfg in find_datasets(args):
        for job in list_jobs(cfg, args.out):
            first = jobs.setdefault(job.path, job)
            options = [
                loader_options(one.cfg['pipeline']) for one in (first, job)
            ]
            if options[0] != options[1]:
                raise ValueError(
                    f'{job.path}: its data sets read with {options[0]} and '
                    f'{options[1]}; pack them one by one with --dataset and '
                    '--out'
                )
    return list(jobs.values())


def pack(job: PackJob, args: argparse.Namespace) -> None:
    """Make a pack and say what is in it."""
    from mmdet3d_act.datasets.packing import pack_samples
    from mmdet3d_act.progress import ProgressDisplay

    print(f'{job.path}:', flush=True)
    with ProgressDisplay('clouds') as progress:
        result = pack_samples(
            job,
            on_error=args.on_error,
            num_workers=args.workers,
            progress=progress,
        )
    text = f'{result.num_samples} clouds, {result.num_bytes / 2**20:.1f} MiB'
    if result.num_faults:
        text += f', {result.num_faults} of them cannot be used'
    if result.num_before == result.num_samples:
        text += ', up to date'
    elif result.num_before:
        text += f', {result.num_before} of an earlier call'
    print(f'  {text}')


def verify(job: PackJob) -> None:
    """Compare a pack with its checksums.

    Raises:
        PackError: If they differ.
    """
    from mmdet3d_act.datasets.point_pack import PackError, PointPack

    print(f'{job.path}:', flush=True)
    if not Path(job.path).is_file():
        begun = Path(f'{job.path}.partial').exists()
        raise FileNotFoundError(
            f'no pack to verify at {job.path}: '
            + ('it is not finished' if begun else 'nothing was packed there')
            + '; run the same command without --verify'
        )
    bad = []
    number = 0
    for sample, is_good in PointPack(job.path).iter_checked():
        number += 1
        if not is_good:
            bad.append(sample['info']['lidar_path'])
            print(f'  damaged: {bad[-1]}')
    if bad:
        raise PackError(job.path, f'{len(bad)} of {number} clouds are damaged')
    print(f'  {number} clouds, all checksums agree')


def run(args: argparse.Namespace) -> None:
    """Pack, or verify, what the command line names.

    Raises:
        UsageError: If something is missing, damaged or cannot be written.
    """
    from mmdet3d_act.datasets.point_pack import PackError
    from mmdet3d_act.datasets.readers import BadSampleError
    from mmdet3d_act.engine.launch import UsageError

    job = None
    missing, damaged = [], []
    try:
        jobs = find_jobs(args)
        if not jobs:
            print('nothing to pack: the files are mapped as they are')
        for job in jobs:
            try:
                verify(job) if args.verify else pack(job, args)
            except PackError as error:
                if not args.verify:
                    raise
                damaged.append(str(error))
            except FileNotFoundError as error:
                text = str(error)
                if not args.verify and Path(job.path).is_file():
                    text += f'\n{job.path} stays as it is; see --verify'
                missing.append(text)
                print('  not there, see below')
    except (OSError, KeyError, TypeError, ValueError) as error:
        text = str(error)
        if job is not None and Path(f'{job.path}.partial').exists():
            text += f'\n{job.path} is not finished; the same command '
            text += (
                'continues it once the cloud is mended, or with --on-error '
                'skip without it'
                if isinstance(error, BadSampleError)
                else 'continues it'
            )
        raise UsageError(text) from error
    if missing or damaged:
        raise UsageError('\n'.join(missing + damaged))


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(
        lambda: run(args),
        kept='what is packed is kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
