"""Make a set of procedural shapes in the layouts of the real data sets.

The shapes are MADE UP: formulas and random numbers, no scanned or modelled
object behind them. They stand in where no real data can be downloaded, and
serve to compare methods; results on them say nothing about real objects.

    python tools/dataset_converters/make_synthetic_shapes.py data/synthetic

writes below the given folder

    ShapeNet55-34/shapenet_pc/<synset>-<id>.npy     unlabelled, (N, 3) float32
    ShapeNet55-34/ShapeNet-55/{train,test}.txt
    procscan/{train,val,test}/<category>/<name>.npy labelled, for probes
    procscan_parts/...                              with --parts
    categories.json                                 synsets and parts

`val` is for choosing settings, `test` for reporting. With --parts the
labelled clouds come a second time in ShapeNetPart's layout: text rows
"x y z nx ny nz label", without the clutter points, which belong to no part.
Categories that ShapeNet has carry its synset, others a number from 99000000
up, which no WordNet entry has. Every cloud is centred on its mean and lies in
the unit sphere, y up (tilted in scans). The same options give the same files,
with any number of workers; a second call does nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet3d_act.engine.failures import UsageError, run_tool
from mmdet3d_act.progress import ProgressDisplay
from mmdet3d_act.synthetic import (
    ScanOptions,
    SetOptions,
    category_names,
    plan_jobs,
    write_set,
)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line.

    Args:
        arguments: Words after the program's name; None reads sys.argv.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('out_dir', help='folder to write below')
    add('--num-pretrain', type=int, default=1200, help='default: %(default)s')
    add(
        '--num-pretrain-test',
        type=int,
        default=120,
        help='unlabelled clouds in test.txt (default: %(default)s)',
    )
    for split, number in (('train', 40), ('val', 20), ('test', 40)):
        add(
            f'--num-{split}-per-class',
            type=int,
            default=number,
            help='default: %(default)s',
        )
    add('--num-points', type=int, default=2048, help='default: %(default)s')
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        '--scan',
        dest='one_sided',
        action='store_true',
        help='as a depth sensor sees the objects: one-sided, rotated about '
        'the up axis, tilted, noisy, with clutter on the floor (default)',
    )
    mode.add_argument(
        '--complete',
        dest='one_sided',
        action='store_false',
        help='the complete surface in its canonical pose',
    )
    parser.set_defaults(one_sided=True)
    for name, text in (
        ('noise', 'standard deviation in object radii'),
        ('tilt', 'largest tilt of the up axis in degrees'),
        ('clutter', 'mean share of clutter points, up to 0.5'),
    ):
        usual = getattr(ScanOptions, name)
        add(
            f'--{name}',
            type=float,
            help=f'{text} (default: {usual:g} with --scan, else 0)',
        )
    add('--seed', type=int, default=0, help='default: %(default)s')
    add(
        '--categories',
        nargs='+',
        default=[],
        metavar='NAME',
        help=f'default: all of {", ".join(category_names())}',
    )
    add('--parts', action='store_true', help='write part labels as well')
    add(
        '--num-workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes (default: all cores, %(default)s)',
    )
    add(
        '--overwrite',
        action='store_true',
        help='replace a set that was made with other options',
    )
    return parser.parse_args(arguments)


def to_options(args: argparse.Namespace) -> SetOptions:
    """Return the options of the set.

    Args:
        args: What :func:`parse_args` returned.

    Raises:
        ValueError: If a value is out of its range.
    """
    scan = {}
    for name in ('noise', 'tilt', 'clutter'):
        given = getattr(args, name)
        usual = getattr(ScanOptions, name) if args.one_sided else 0.0
        scan[name] = usual if given is None else given
    return SetOptions(
        num_pretrain=args.num_pretrain,
        num_pretrain_test=args.num_pretrain_test,
        num_train_per_class=args.num_train_per_class,
        num_val_per_class=args.num_val_per_class,
        num_test_per_class=args.num_test_per_class,
        num_points=args.num_points,
        scan=ScanOptions(one_sided=args.one_sided, **scan),
        seed=args.seed,
        categories=tuple(args.categories),
        parts=args.parts,
    )


def run(args: argparse.Namespace) -> None:
    """Make what is not there yet.

    Raises:
        UsageError: If a value is out of its range, or the folder holds
            something else.
    """
    start = time.monotonic()
    try:
        options = to_options(args)
        number = len(plan_jobs(options))
        with ProgressDisplay('clouds') as progress:
            written = write_set(
                args.out_dir,
                options,
                num_workers=args.num_workers,
                overwrite=args.overwrite,
                progress=progress,
            )
    except ValueError as error:
        raise UsageError(f'error: {error}') from error
    took = time.monotonic() - start
    what = f'{number} clouds of {len(options.categories)} categories'
    if written:
        print(f'{what} (made up by procedure) in {args.out_dir}, {took:.0f} s')
    else:
        print(f'{what} are already complete in {args.out_dir}')


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: Words after the program's name; None reads sys.argv.
    """
    args = parse_args(arguments)
    return run_tool(
        lambda: run(args),
        kept='clouds that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
