"""Make furnished rooms in MMDetection3D's ScanNet format, with RGB-D frames.

The rooms are MADE UP: formulas and random numbers, no scanned room is behind
them. They stand in where ScanNet cannot be had, and serve to compare methods;
results on them say nothing about real rooms.

    python tools/dataset_converters/make_synthetic_scenes.py
    ACT_DATA_ROOT=data/synthetic python tools/train.py CONFIG

writes below the given folder (default: data/synthetic)

    scannet/points/<scene>.bin           (N, 6) float32: metres, z up; colour
    scannet/semantic_mask/<scene>.bin    (N,) int64, NYU40, 0 without label
    scannet/instance_mask/<scene>.bin    (N,) int64, from 1, 0 without label
    scannet/scannet_infos_{train,val}.pkl   boxes, axis alignment, as 1.x
    scannet/seg_info/, meta_data/, scannet_instance_data/
    scannet_frames/<scene>/{color/I.jpg, depth/I.png, pose/I.txt,
                            intrinsic/intrinsic_{color,depth}.txt}

The points are elements of the frames' depth images, with a depth camera's
noise: nothing is behind others, and what is near to the camera is dense. A
thing with fewer points than --min-points has no box and its points no label.
Rooms follow each other as studio, bathroom, kitchen, office, bedroom, living
room; the first four hold all 18 classes. The same options give the same
files, with any number of workers; a second call does nothing, an interrupted
one goes on, and a larger --num-train or --num-val adds rooms to those that are
there.
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
from mmdet3d_act.synthetic.room_lists import count_boxes
from mmdet3d_act.synthetic.room_scan import RoomScanOptions
from mmdet3d_act.synthetic.room_writer import (
    SCENES_ROOT,
    SceneSetOptions,
    plan_rooms,
    write_scenes,
)
from mmdet3d_act.wording import counted


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
    add(
        'out_dir',
        nargs='?',
        default='data/synthetic',
        help='root of the data, for ACT_DATA_ROOT (default: %(default)s)',
    )
    usual, scan = SceneSetOptions(), RoomScanOptions()
    for name, value, text in (
        ('num-train', usual.num_train, 'rooms for training'),
        ('num-val', usual.num_val, 'rooms for validation'),
        ('num-points', scan.num_points, 'points of a room, at most'),
        ('num-views', scan.num_views, 'frames of a room'),
        ('min-points', scan.min_points, 'fewest points of a box'),
        ('seed', usual.seed, 'seed of all rooms'),
        ('num-workers', os.cpu_count() or 1, 'processes'),
    ):
        add(
            f'--{name}',
            type=int,
            default=value,
            help=f'{text} (default: %(default)s)',
        )
    add(
        '--image-size',
        type=int,
        nargs=2,
        default=(scan.width, scan.height),
        metavar=('WIDTH', 'HEIGHT'),
        help='of the frames (default: %(default)s)',
    )
    add(
        '--noise',
        type=float,
        default=scan.noise,
        help="1 is a first Kinect's (default: %(default)s)",
    )
    add(
        '--no-frames',
        dest='frames',
        action='store_false',
        help='write the points only; they are the same',
    )
    add(
        '--overwrite',
        action='store_true',
        help='replace a set that was made with other options',
    )
    return parser.parse_args(arguments)


def to_options(args: argparse.Namespace) -> SceneSetOptions:
    """Return the options of the set.

    Args:
        args: What :func:`parse_args` returned.

    Raises:
        ValueError: If a value is out of its range.
    """
    width, height = args.image_size
    scan = RoomScanOptions(
        num_points=args.num_points,
        num_views=args.num_views,
        width=width,
        height=height,
        noise=args.noise,
        min_points=args.min_points,
    )
    return SceneSetOptions(
        num_train=args.num_train,
        num_val=args.num_val,
        scan=scan,
        frames=args.frames,
        seed=args.seed,
    )


def summarize(out_dir: str, options: SceneSetOptions) -> str:
    """Return what the boxes of a set are.

    Args:
        out_dir: Root of the data.
        options: What the set holds.
    """
    scenes = [job.scene for job in plan_rooms(options)]
    counts, dropped = count_boxes(Path(out_dir) / SCENES_ROOT, scenes)
    listed = ', '.join(f'{name} {number}' for name, number in counts.items())
    left = counted(dropped, 'thing')
    verb = 'has' if dropped == 1 else 'have'
    return (
        f'{sum(counts.values())} boxes: {listed}\n{left} with fewer than '
        f'{options.scan.min_points} points {verb} neither box nor label'
    )


def run(args: argparse.Namespace) -> None:
    """Make what is not there yet.

    Raises:
        UsageError: If a value is out of its range, or the folder cannot be
            written.
    """
    start = time.monotonic()
    try:
        options = to_options(args)
        with ProgressDisplay('rooms') as progress:
            written = write_scenes(
                args.out_dir,
                options,
                num_workers=args.num_workers,
                overwrite=args.overwrite,
                progress=progress,
            )
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            f'error: {args.out_dir} must be a folder, or not exist yet; a '
            'file is in its way'
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f'error: {error}') from error
    took = time.monotonic() - start
    what = f'{options.num_train} + {options.num_val} rooms'
    if written:
        print(f'{what} (made up by procedure) in {args.out_dir}, {took:.0f} s')
    else:
        print(f'{what} are already complete in {args.out_dir}')
    print(summarize(args.out_dir, options))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: Words after the program's name; None reads sys.argv.
    """
    args = parse_args(arguments)
    return run_tool(
        lambda: run(args),
        kept='rooms that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
