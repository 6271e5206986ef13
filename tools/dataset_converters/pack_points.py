#!/usr/bin/env python
"""Pack the clouds of data sets, so that an epoch opens no file per sample.

python tools/dataset_converters/pack_points.py configs/act/act_pretrain_shapenet.py
python tools/dataset_converters/pack_points.py --dataset ShapeNet55 --data-root data/ShapeNet55-34 --split train test

One folder NAME.pack is written per split, into the data set's folder, where
the data set finds it; samples are the same with and without it. A config's data
sets are packed as its pipelines read them. A pack that is up to date is left
alone.
"""  # noqa: E501

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Modules beside this one; the package of this checkout, also where another
# one is installed.
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit code 2: something is missing or damaged; the message '
        'says what.',
    )
    add = parser.add_argument
    options = dict(
        nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
    )
    add('config', nargs='?', help='config whose data sets are packed')
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    add('--dataset', metavar='CLASS', help='instead of a config: its class')
    add('--data-root', help='folder of the data set')
    add('--split', nargs='+', default=[None], help='its splits')
    text = 'its further arguments, for example classes=folders'
    add('--options', help=text, **options)
    text = 'arguments of LoadPointCloud, for example npz_key=points'
    add('--load-options', help=text, **options)
    add('--out', help="folder of the packs (default: the data set's)")
    add(
        '--on-error',
        choices=['raise', 'skip'],
        default='raise',
        help='skip: clouds that cannot be used are left out (default: '
        '%(default)s)',
    )
    add(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='processes that read (default: this one)',
    )
    args = parser.parse_args(argv)
    if (args.config is None) == (args.dataset is None):
        parser.error('give a config, or a data set with --dataset')
    if args.dataset is not None and args.data_root is None:
        parser.error('--dataset needs --data-root')
    return args


def find_datasets(args: argparse.Namespace) -> list[dict]:
    """Collect the configs of the data sets that the command line names."""
    from mmdet3d_act import datasets  # noqa: F401 - registers them
    from mmdet3d_act.datasets.base import iter_dataset_cfgs
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


def find_packs(args: argparse.Namespace) -> dict[str, dict]:
    """Collect the packs to be made, each once.

    Raises:
        ValueError: If two data sets read the same clouds differently.
    """
    from packing import plan_pack

    packs: dict[str, dict] = {}
    for cfg in find_datasets(args):
        path, source = plan_pack(cfg, args.out) or (None, None)
        if path is None:
            continue
        first = packs.setdefault(path, source)
        reads = [one['pipeline'][0].read_options for one in (first, source)]
        if reads[0] != reads[1]:
            raise ValueError(
                f'{path}: its data sets read with {reads[0]} and {reads[1]}; '
                'pack them one by one with --dataset and --out'
            )
    return packs


def run(args: argparse.Namespace) -> None:
    """Pack what the command line names.

    Raises:
        UsageError: If something is missing, damaged or cannot be written.
    """
    from packing import pack_dataset

    from mmdet3d_act.datasets.packs import read_index
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.progress import ProgressDisplay

    missing = []
    try:
        packs = find_packs(args)
        if not packs:
            print('nothing to pack: no data set reads a file per cloud')
        for path, cfg in packs.items():
            print(f'{path}:', flush=True)
            try:
                with ProgressDisplay('clouds') as progress:
                    made = pack_dataset(
                        path,
                        cfg,
                        on_error=args.on_error,
                        num_workers=args.workers,
                        progress=progress,
                    )
            except FileNotFoundError as error:
                missing.append(str(error))
                print('  not there, see below')
                continue
            places = read_index(path)['clouds'].values()
            faults = sum(rows == 0 for *_, rows, _ in places)
            print(
                f'  {len(places)} clouds'
                + f', {faults} of them not packed' * bool(faults)
                + ', up to date' * (not made)
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    if missing:
        raise UsageError('\n'.join(missing))


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args),
        kept='packs that are complete are kept; the same command makes the '
        'others',
    )


if __name__ == '__main__':
    sys.exit(main())
