#!/usr/bin/env python
"""Make the rooms of S3DIS from Stanford's folders.

python tools/dataset_converters/s3dis.py Stanford3dDataset_v1.2_Aligned_Version data/s3dis/stanford_indoor3d

Each room becomes OUT/Area_<area>_<room>.npy, rows "x y z red green blue
label", as the published code prepares it, from the smallest coordinates on.
Bad rows of the release are mended; OUT/conversion.json and the last lines of
the output list them. An interrupted call is continued by the same command; a
room that is done is left alone.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3dis_raw import RawRoom

FOLDER = Path(__file__).resolve().parent
# Modules beside this one; the package of this checkout, also where another
# one is installed.
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

REPORT = 'conversion.json'
DTYPES = ('float32', 'float64')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit code 2: something is missing or damaged; the message '
        'says what.',
    )
    add = parser.add_argument
    add('raw', type=Path, help="Stanford's folder, with Area_1 to Area_6")
    add('out', type=Path, help='folder of the rooms')
    add(
        '--areas',
        nargs='+',
        type=int,
        choices=range(1, 7),
        metavar='AREA',
        help='1 to 6 (default: all that are there)',
    )
    add(
        '--dtype',
        choices=DTYPES,
        default='float32',
        help="float64 is the published files' (default: %(default)s, which "
        'holds the same to a few micrometres in half the space)',
    )
    add(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='processes that read (default: this one)',
    )
    args = parser.parse_args(argv)
    if args.workers < 0:
        parser.error(f'--workers must be >= 0, got {args.workers}')
    return args


def read_report(out: Path) -> dict[str, dict]:
    """Read what earlier calls converted, by room.

    Raises:
        UsageError: If the report is damaged.
    """
    from mmdet3d_act.engine.launch import UsageError

    path = out / REPORT
    if not path.is_file():
        return {}
    try:
        rooms = json.loads(path.read_text(encoding='utf-8'))['rooms']
        return {name: dict(room) for name, room in rooms.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f'{path} is no report of this tool; remove it, and the rooms are '
            'made again'
        ) from error


def write_report(out: Path, rooms: dict[str, dict]) -> None:
    """Write the report, whole or not at all."""
    path = out / REPORT
    text = json.dumps(dict(rooms=dict(sorted(rooms.items()))), indent=1)
    partial = path.with_suffix('.partial')
    partial.write_text(text, encoding='utf-8')
    os.replace(partial, path)


def find_rooms(
    args: argparse.Namespace, done: dict[str, dict]
) -> list[RawRoom]:
    """Return the rooms that are still to be converted.

    Raises:
        UsageError: If there are none of an area.
    """
    from s3dis_raw import list_raw_rooms

    from mmdet3d_act.engine.launch import UsageError

    rooms = list_raw_rooms(args.raw)
    found = {int(room.name.split('_')[1]) for room in rooms}
    missing = sorted(set(args.areas or ()) - found)
    if missing:
        raise UsageError(
            f'{args.raw} has no rooms of the areas {missing}, only of '
            f'{sorted(found)}'
        )
    return [
        room
        for room in rooms
        if (not args.areas or int(room.name.split('_')[1]) in args.areas)
        and not (
            (args.out / f'{room.name}.npy').is_file()
            and done.get(room.name, {}).get('dtype') == args.dtype
        )
    ]


def summarize(rooms: dict[str, dict]) -> str:
    """Summarise the report in a few lines."""
    points = sum(room['num_points'] for room in rooms.values())
    lines = [f'{len(rooms)} rooms, {points} points']
    for name, room in sorted(rooms.items()):
        for repair in room['repairs']:
            lines.append(
                f'  {name}/{repair["file"]} row {repair["line"]}: '
                f"'{repair['before']}' -> '{repair['after']}'"
            )
        lines += [
            f'  {name}/{file}: left out, a copy' for file in room['copies']
        ]
    mended = sum(len(room['repairs']) for room in rooms.values())
    copies = sum(len(room['copies']) for room in rooms.values())
    lines.append(
        f'bad rows: {mended}, files left out as copies: {copies}; see {REPORT}'
    )
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Convert what is not converted yet.

    Raises:
        UsageError: If something is missing, damaged or cannot be written.
    """
    from s3dis_raw import convert_room

    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.processes import work_off
    from mmdet3d_act.progress import ProgressDisplay

    rooms = None
    try:
        report = read_report(args.out)
        rooms = find_rooms(args, report)
        if rooms:
            args.out.mkdir(parents=True, exist_ok=True)
            with ProgressDisplay('rooms') as progress:
                progress(0, len(rooms))
                work = partial(convert_room, out=args.out, dtype=args.dtype)
                converted = work_off(work, rooms, args.workers)
                for done, (room, entry) in enumerate(converted, start=1):
                    report[room.name] = entry
                    write_report(args.out, report)
                    progress(done, len(rooms))
    except (OSError, ValueError) as error:
        text = str(error)
        if rooms is not None:
            text = f'{text}\nWhat is done is kept; the same command goes on.'
        raise UsageError(text) from error
    print(summarize(report))


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args),
        kept='rooms that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
