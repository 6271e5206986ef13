"""Make a set of procedural shapes in the layouts of the real data sets.

The shapes are MADE UP: formulas and random numbers, no scanned or modelled
object behind them. They stand in where no real data can be downloaded, and
serve to compare methods; results on them say nothing about real objects.

    python tools/dataset_converters/make_synthetic_shapes.py data/synthetic

writes below the given folder

    ShapeNet55-34/shapenet_pc/<synset>-<id>.npy     unlabelled, (N, 3) float32
    ShapeNet55-34/ShapeNet-55/{train,test}.txt
    procscan/{train,val,test}/<category>/<name>.npy labelled, for probes

`val` is for choosing settings, `test` for reporting. Categories that ShapeNet
has carry its synset, others a number from 99000000 up, which no WordNet entry
has. Every cloud is centred on its mean and lies in the unit sphere, y up
(tilted in scans). The same options give the same files, with any number of
workers; a second call does nothing, an interrupted one goes on, and larger
numbers of clouds add to those that are there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if TYPE_CHECKING:
    from mmdet3d_act.synthetic.shape_set import ShapeSet

# Defaults are those of the options, which would take seconds to import.
COUNTS = {
    'num_pretrain': (1200, 'unlabelled clouds in train.txt'),
    'num_pretrain_test': (120, 'unlabelled clouds in test.txt'),
    'num_train_per_class': (40, 'labelled clouds'),
    'num_val_per_class': (20, 'labelled clouds'),
    'num_test_per_class': (40, 'labelled clouds'),
    'num_points': (2048, 'points of a cloud'),
    'seed': (0, 'seed of all clouds'),
}
SCAN = {
    'noise': (0.01, 'standard deviation in object radii'),
    'tilt': (30.0, 'largest tilt of the up axis in degrees'),
    'clutter': (0.06, 'mean share of clutter points, up to 0.5'),
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the words after the program's name."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('out_dir', help='folder to write below')
    for name, (usual, text) in COUNTS.items():
        option = '--' + name.replace('_', '-')
        help_text = f'{text} (default: {usual})'
        add(option, type=int, default=usual, help=help_text)
    add(
        '--complete',
        action='store_true',
        help='the complete surface in its canonical pose (default: as a depth '
        'sensor sees the objects: one-sided, rotated about the up axis, '
        'tilted, noisy, with clutter on the floor)',
    )
    for name, (usual, text) in SCAN.items():
        help_text = f'{text} (default: {usual:g}, with --complete 0)'
        add(f'--{name}', type=float, help=help_text)
    add(
        '--categories',
        nargs='+',
        default=[],
        metavar='NAME',
        help='default: all; another name is answered by the list of them',
    )
    add(
        '--num-workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes (default: all cores, %(default)s)',
    )
    return parser.parse_args(arguments)


def to_set(args: argparse.Namespace) -> ShapeSet:
    """Build the set of the command line's options."""
    from mmdet3d_act.synthetic.shape_scan import ScanOptions
    from mmdet3d_act.synthetic.shape_set import ShapeSet

    scan = {'one_sided': not args.complete}
    for name, (usual, _) in SCAN.items():
        given = getattr(args, name)
        usual = 0.0 if args.complete else usual
        scan[name] = usual if given is None else given
    return ShapeSet(
        scan=ScanOptions(**scan),
        categories=tuple(args.categories),
        **{name: getattr(args, name) for name in COUNTS},
    )


def run(args: argparse.Namespace) -> None:
    """Make what is not there yet."""
    from mmdet3d_act.engine.failures import UsageError
    from mmdet3d_act.progress import ProgressDisplay

    start = time.monotonic()
    try:
        shapes = to_set(args)
        with ProgressDisplay('clouds') as progress:
            written = shapes.write(
                args.out_dir, num_workers=args.num_workers, progress=progress
            )
    except (OSError, ValueError) as error:
        raise UsageError(f'error: {error}') from error
    took = time.monotonic() - start
    number = len(shapes.tasks())
    what = f'{number} clouds of {len(shapes.categories)} categories'
    if written:
        print(f'{what} (made up by procedure) in {args.out_dir}, {took:.0f} s')
    else:
        print(f'{what} are already complete in {args.out_dir}')


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(arguments)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args),
        kept='clouds that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
