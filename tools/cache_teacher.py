#!/usr/bin/env python
"""Compute the teacher's targets of a whole data set once, for all trainings.

    CONFIG=configs/concept/concept_pretrain_scannet_stored.py
    python tools/cache_teacher.py $CONFIG
    python tools/train.py $CONFIG

For every target generator of the config's model that looks at images a store
is made, a folder that is memory-mapped in training: where the config's
StoredTarget looks for it, by default in $ACT_DATA_ROOT/targets. It has the
pairs of the training and of the validation. An interrupted call goes on where
it stopped; what is there already is not computed again. Images that cannot be
read are left out and listed, where the data set has on_error='skip'.
Several processes share the work where torchrun starts them and --launcher
pytorch is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from config_arguments import ConfigArgumentParser

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from mmdet3d_act.datasets.paired import PairedDataset
    from mmdet3d_act.models.target_generators import PairedImageTarget

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))

PARTS = ('train', 'val', 'test')
SHOWN_FAULTS = 10


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = ConfigArgumentParser(
        "Compute the teacher's targets of a whole data set once."
    )
    add = parser.add_argument
    add('config', help='config file of the training')
    add(
        '--parts',
        nargs='+',
        choices=PARTS,
        help='which data loaders of the config (default: train, and val where '
        'it has pairs of images)',
    )
    add(
        '--out',
        metavar='FOLDER',
        help="where the stores go (default: the config's StoredTarget.path, "
        'or $ACT_DATA_ROOT/targets)',
    )
    add('--batch-size', type=int, default=64, help='default: %(default)s')
    add(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='processes that read images (default: the computing one)',
    )
    add(
        '--dtype',
        choices=['float16', 'float32'],
        default='float16',
        help='of the numbers on disk (default: %(default)s)',
    )
    add(
        '--amp',
        action='store_true',
        help='run the teacher in mixed precision (bfloat16 on a CPU)',
    )
    add(
        '--captions',
        type=int,
        default=0,
        metavar='N',
        help='first print what the caption model says of N images, to see '
        'what the teacher sees',
    )
    add('--device', help='default: the GPU where there is one')
    add(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes',
    )
    # Given by some launchers; what counts is their environment variable.
    add('--local-rank', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        parser.error(f'--batch-size must be >= 1, got {args.batch_size}')
    return args


def find_jobs(cfg: Config, config: str) -> list[tuple[str | None, Mapping]]:
    """List the stores and the teachers that a config wants, by objective.

    Raises:
        UsageError: If it has no target of images.
    """
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.engine.preflight import iter_typed
    from mmdet3d_act.models.target_generators import (
        PairedImageTarget,
        StoredTarget,
    )
    from mmdet3d_act.registry import registered_classes

    jobs: list[tuple[str | None, Mapping]] = []
    within: set[int] = set()
    for typed in iter_typed(cfg.get('model')):
        if id(typed) in within:
            continue
        kinds = registered_classes(typed['type'])
        if any(issubclass(kind, StoredTarget) for kind in kinds):
            teacher = typed['teacher']
            within.update(map(id, iter_typed(teacher)))
            jobs.append((typed.get('path'), teacher))
        elif any(issubclass(kind, PairedImageTarget) for kind in kinds):
            jobs.append((None, typed))
    if not jobs:
        raise UsageError(
            f'{config} has no target of images to compute; expected a '
            'StoredTarget, ImageEmbeddingTarget, ImagePatchTarget or '
            'CaptionPrefixTarget among the objectives of its model'
        )
    return jobs


def find_pairs(
    cfg: Config, config: str, parts: Sequence[str]
) -> Iterator[PairedDataset]:
    """Yield the data sets of pairs in some parts of a config's data.

    Args:
        cfg: The config.
        config: Its file, for messages.
        parts: Their names; none: train, and val where it has paired images.

    Raises:
        UsageError: If one is no data set of pairs.
    """
    from mmdet3d_act.apis.loading import build_dataset
    from mmdet3d_act.datasets.base import iter_datasets
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.engine.preflight import iter_typed
    from mmdet3d_act.registry import registered_classes

    kinds = [
        cls
        for one in iter_typed(cfg.get('val_dataloader'))
        for cls in registered_classes(one['type'])
    ]
    paired = any(hasattr(cls, 'pair_keys') for cls in kinds)
    for part in parts or PARTS[: 1 + paired]:
        for one in iter_datasets(build_dataset(cfg, config, part)):
            if not hasattr(one, 'pair_keys'):
                raise UsageError(
                    f'{type(one).__name__} has no paired images; expected a '
                    'data set such as ScanNetFrames or ObjectRenders'
                )
            yield one


def cache(args: argparse.Namespace) -> None:
    """Set up the config, check it, compute."""
    from mmengine.dist import is_main_process
    from mmengine.registry import init_default_scope

    from mmdet3d_act.apis.loading import initialize
    from mmdet3d_act.engine import launch
    from mmdet3d_act.engine.distributed import start_processes
    from mmdet3d_act.models.target_generators.stored_target import (
        target_folder,
    )
    from mmdet3d_act.registry import build_module

    cfg = launch.load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    jobs = find_jobs(cfg, args.config)
    launch.check_requirements(
        dict(model=[teacher for _, teacher in jobs]), args.config
    )
    datasets = [*find_pairs(cfg, args.config, args.parts)]
    device = args.device or start_processes(cfg)
    teachers = [build_module(teacher) for _, teacher in jobs]
    for teacher in teachers:
        initialize(teacher)
    # What it shows, and what it lacks, is said before the hours of computing.
    if args.captions:
        show_captions(
            teachers, datasets, args.captions if is_main_process() else 0
        )
    for (path, _), teacher in zip(jobs, teachers, strict=True):
        place = args.out or path or target_folder()
        compute(teacher, datasets, place, device, args)


def compute(
    teacher: PairedImageTarget,
    datasets: list[PairedDataset],
    path: str,
    device: str,
    args: argparse.Namespace,
) -> None:
    """Compute the targets of one teacher, and say where they are."""
    from mmengine.dist import is_main_process

    from mmdet3d_act.apis.target_caching import cache_targets
    from mmdet3d_act.models.target_generators import TargetStore
    from mmdet3d_act.progress import ProgressDisplay

    name = f'{type(teacher).__name__} of {teacher.encoder.model_name}'
    if is_main_process():
        print(f'{name}, targets of shape {teacher.target_shape}', flush=True)
    with ProgressDisplay('images of this process') as progress:
        folder, faults = cache_targets(
            teacher,
            datasets,
            path,
            dtype=args.dtype,
            batch_size=args.batch_size,
            num_workers=args.workers,
            device=device,
            amp=args.amp,
            report=progress if is_main_process() else None,
        )
    if not is_main_process():
        return
    store = TargetStore(folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f'{len(store)} targets in {folder}, {size:.1f} MB')
    print(
        f'StoredTarget(path={str(path)!r}, teacher=...) reads them, the '
        'teacher being this target generator'
    )
    if faults:
        print(f'{len(faults)} images cannot be read and have no target:')
        for fault in faults[:SHOWN_FAULTS]:
            print(f'  {fault}')


def show_captions(
    teachers: list[PairedImageTarget],
    datasets: list[PairedDataset],
    count: int,
) -> None:
    """Print what the caption models say of the first images."""
    import torch
    from captioner import load_captioner

    from mmdet3d_act.engine.launch import UsageError

    speaking = [one for one in teachers if hasattr(one, 'mapping')]
    if not speaking:
        names = ', '.join(type(one).__name__ for one in teachers)
        raise UsageError(
            f'{names} has no caption model; --captions goes with '
            'CaptionPrefixTarget'
        )
    for teacher in speaking:
        try:
            captioner = load_captioner(teacher.mapping)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(str(error)) from error
        for key, image in islice(readable_images(datasets), count):
            with torch.no_grad():
                (caption,) = captioner.captions(teacher.encoder(image[None]))
            print(f'{key}: {caption}', flush=True)


def readable_images(
    datasets: list[PairedDataset],
) -> Iterator[tuple[str, Tensor]]:
    """Yield names and images of pairs, without those that cannot be read.

    Raises:
        BadSampleError: If one cannot, and its data set has not
            on_error='skip'.
    """
    from mmdet3d_act.datasets.readers import BadSampleError

    for dataset in datasets:
        for key in dataset.pair_keys():
            try:
                yield key, dataset.prepared_image(key)
            except BadSampleError:
                if dataset.on_error == 'raise':
                    raise


def main(argv: list[str] | None = None) -> int:
    """Run the tool."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: cache(args),
        args.launcher,
        kept='targets that are computed are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
