"""Make furnished rooms in MMDetection3D's ScanNet format, with RGB-D frames.

The rooms are MADE UP: formulas and random numbers, no scanned room is behind
them. They stand in where ScanNet cannot be had, and serve to compare methods;
results on them say nothing about real rooms.

    python tools/dataset_converters/make_synthetic_scenes.py
    ACT_DATA_ROOT=data/synthetic python tools/train.py CONFIG

With --turned-boxes the rooms are in the layout of SUN RGB-D instead: the
origin is at the first camera, which looks along y.

    sunrgbd/points/<scene>.bin           (N, 6) float32: metres, z up; colour
    sunrgbd/sunrgbd_infos_{train,val}.pkl   boxes with a yaw, as 1.x
    sunrgbd/sunrgbd_trainval/image/<scene>.jpg   what the first camera sees

Else it writes below the given folder (default: data/synthetic)

    scannet/points/<scene>.bin           (N, 6) float32: metres, z up; colour
    scannet/semantic_mask/<scene>.bin    (N,) int64, NYU40, 0 without label
    scannet/instance_mask/<scene>.bin    (N,) int64, from 1, 0 without label
    scannet/scannet_infos_{train,val}.pkl   boxes, axis alignment, as 1.x
    scannet/seg_info/, meta_data/, scannet_instance_data/
    scannet_frames/<scene>/{color/I.jpg, depth/I.png, pose/I.txt,
                            intrinsic/intrinsic_{color,depth}.txt}

The points are pixels of the frames' depth images, with a depth camera's
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
from typing import TYPE_CHECKING

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

if TYPE_CHECKING:
    from room_set import RoomSet

# Defaults are those of the options, which would take seconds to import.
SET = {
    'num_train': (100, 'rooms for training'),
    'num_val': (25, 'rooms for validation'),
    'seed': (0, 'seed of all rooms'),
}
SCAN = {
    'num_points': (50000, 'points of a room, at most'),
    'num_views': (24, 'frames of a room'),
    'min_points': (30, 'fewest points of a box'),
    'noise': (0.4, "1 is a first Kinect's"),
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the words after the program's name."""
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
    for name, (usual, text) in {**SET, **SCAN}.items():
        option, help_text = name.replace('_', '-'), f'{text} ({usual})'
        add(f'--{option}', type=type(usual), default=usual, help=help_text)
    add(
        '--image-size',
        type=int,
        nargs=2,
        default=(320, 240),
        metavar=('WIDTH', 'HEIGHT'),
        help='of the frames (default: %(default)s)',
    )
    add(
        '--turned-boxes',
        action='store_true',
        help='write the layout of SUN RGB-D, where boxes follow the turn of '
        'a thing (default: ScanNet, boxes parallel to the walls)',
    )
    add(
        '--no-frames',
        dest='frames',
        action='store_false',
        help='write the points only; they are the same',
    )
    add(
        '--num-workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes (default: all cores, %(default)s)',
    )
    return parser.parse_args(arguments)


def to_set(args: argparse.Namespace) -> RoomSet:
    """Build the set of the command line's options."""
    from room_set import RoomSet
    from turned_room_set import TurnedRoomSet

    from mmdet3d_act.synthetic.room_scan import RoomScanOptions

    width, height = args.image_size
    scan = RoomScanOptions(
        width=width,
        height=height,
        turned=args.turned_boxes,
        **{name: getattr(args, name) for name in SCAN},
    )
    values = {name: getattr(args, name) for name in SET}
    kind = TurnedRoomSet if args.turned_boxes else RoomSet
    return kind(scan=scan, frames=args.frames, **values)


def run(args: argparse.Namespace) -> None:
    """Make what is not there yet, and say what the boxes are."""
    from mmdet3d_act.engine.failures import UsageError
    from mmdet3d_act.progress import ProgressDisplay

    start = time.monotonic()
    try:
        rooms = to_set(args)
        with ProgressDisplay('rooms') as progress:
            written = rooms.write(
                args.out_dir, num_workers=args.num_workers, progress=progress
            )
    except (OSError, ValueError) as error:
        raise UsageError(f'error: {error}') from error
    took = time.monotonic() - start
    what = f'{rooms.num_train} + {rooms.num_val} rooms'
    if written:
        print(f'{what} (made up by procedure) in {args.out_dir}, {took:.0f} s')
    else:
        print(f'{what} are already complete in {args.out_dir}')
    counts = rooms.count_boxes(args.out_dir)
    listed = ', '.join(f'{name} {number}' for name, number in counts.items())
    print(f'{sum(counts.values())} boxes: {listed}')


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(arguments)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args),
        kept='rooms that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
