"""Make objects and rooms in the files of the downstream benchmarks.

They are MADE UP, as those of make_synthetic_shapes.py: they let every config
run where the benchmarks cannot be had, and say nothing about real objects.

    python tools/dataset_converters/make_synthetic_benchmarks.py data/synthetic
    ACT_DATA_ROOT=data/synthetic python tools/train.py CONFIG

writes below the given folder (default: data/synthetic)

    ModelNet/modelnet40_normal_resampled/*.dat    25 of the 40 classes
    ModelNetFewshot/*way_*shot/0.pkl              the first folds
    ScanObjectNN/main_split{,_nobg}/*.h5          12 of the 15 classes
    shapenetcore_partanno_.../                    12 of the 16 categories
    s3dis/stanford_indoor3d/Area_*.npy            rooms, 11 of the 13 classes

Files that are there are replaced.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

# As in benchmark_files.py, which takes seconds to import.
DATA = ('modelnet40', 'fewshot', 'scanobjectnn', 'shapenetpart', 's3dis')


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the words after the program's name."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('out_dir', nargs='?', default='data/synthetic', help='folder')
    add('--data', nargs='+', choices=DATA, default=DATA, help='data sets')
    add(
        '--per-class',
        type=int,
        nargs=2,
        default=(8, 4),
        metavar=('TRAIN', 'TEST'),
        help='objects of a class (default: %(default)s)',
    )
    add(
        '--rooms',
        type=int,
        nargs=2,
        default=(2, 2),
        metavar=('TRAIN', 'TEST'),
        help='rooms of areas 1 to 4 and 6, and of area 5 (%(default)s)',
    )
    add('--seed', type=int, default=0, help='seed of everything (0)')
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> None:
    """Write the data sets, one after the other."""
    from benchmark_files import WRITERS

    for name in args.data:
        start = time.monotonic()
        counts = args.rooms if name == 's3dis' else args.per_class
        WRITERS[name](Path(args.out_dir), tuple(counts), args.seed)
        took = time.monotonic() - start
        print(f'{name} (made up by procedure) in {args.out_dir}, {took:.0f} s')


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(arguments)
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
