#!/usr/bin/env python
"""Make the pairs of images and clouds of ScanNet's RGB-D videos.

    python tools/dataset_converters/scannet_frames.py scans data/scannet_frames

SCANS holds <scene>/<scene>.sens as ScanNet's download does. Every 25th frame
is written to OUT/<scene>/ in the layout of ScanNet's exporter; images stay as
they are compressed, depth becomes millimetres. Frames with an invalid pose,
next to no depth or damage are left out and counted, in
OUT/<scene>/frames.json and in the last lines of the output. Scenes that are
done are left alone, so an interrupted call is continued by the same command.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sens import FrameExport

FOLDER = Path(__file__).resolve().parent
# Modules beside this one; the package of this checkout, also where another
# one is installed.
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

SHOWN_FAULTS = 10


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit code 2: something is missing, cannot be written, or '
        'scenes cannot be read, which the others do not wait for; the message '
        'says what.',
    )
    add = parser.add_argument
    add('scans', type=Path, help='folder of the scenes')
    add('out', type=Path, help='folder of the pairs')
    add(
        '--frame-stride',
        type=int,
        default=25,
        metavar='K',
        help='every K-th frame (default: %(default)s)',
    )
    add(
        '--scene-list',
        type=Path,
        metavar='FILE',
        help='a scene per line, such as scannetv2_train.txt (default: all '
        'that are there)',
    )
    add(
        '--min-points',
        type=int,
        default=1024,
        metavar='N',
        help='fewest measured depths of a frame (default: %(default)s)',
    )
    add(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes (default: %(default)s)',
    )
    args = parser.parse_args(argv)
    for name in ('frame_stride', 'min_points', 'workers'):
        if getattr(args, name) < 1:
            option = name.replace('_', '-')
            parser.error(f'--{option} must be >= 1, got {getattr(args, name)}')
    return args


def plan(args: argparse.Namespace) -> list[FrameExport]:
    """Return the scenes that there are.

    Raises:
        UsageError: If there are none, or listed ones are missing.
    """
    from sens import FrameExport, find_videos

    from mmdet3d_act.datasets.base import read_lines
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.text import counted

    for path in (args.scans, args.scene_list):
        if path is not None and not path.exists():
            raise UsageError(f'{path} does not exist')
    if args.scans.resolve() == args.out.resolve():
        raise UsageError(f'OUT must be another folder than SCANS: {args.out}')
    videos = find_videos(str(args.scans))
    names = list(videos)
    if args.scene_list is not None:
        names = read_lines(str(args.scene_list))
    missing = [name for name in names if name not in videos]
    if missing or not names:
        what = 'a scene'
        if names:
            what = f'{counted(len(missing), "scene")} ({missing[0]})'
        raise UsageError(
            f'{args.scans} lacks {what}; expected <scene>/<scene>.sens as '
            'ScanNet distributes them'
        )
    return [
        FrameExport(
            videos[name],
            str(args.out / name),
            args.frame_stride,
            args.min_points,
        )
        for name in names
    ]


def export_scene(export: FrameExport) -> str | None:
    """Write a scene and return why it cannot be read at all."""
    from mmdet3d_act.datasets.readers import BadSampleError

    try:
        export.export()
    except BadSampleError as error:
        return str(error)
    return None


def summarize(exports: Sequence[FrameExport]) -> str:
    """Summarise what was written and what was left out."""
    from mmdet3d_act.text import counted

    skipped: Counter = Counter()
    faults: list[str] = []
    useless: list[str] = []
    frames = 0
    for export in exports:
        report = export.report()
        frames += len(report['frames'])
        if not report['frames']:
            useless.append(Path(export.folder).name)
        skipped.update(report['skipped'])
        faults += report['faults']
    scenes = counted(len(exports) - len(useless), 'scene')
    lines = [f'{counted(frames, "pair")} of {scenes}']
    if useless:
        named = ', '.join(sorted(useless)[:SHOWN_FAULTS])
        lines.append(f'{len(useless)} without a usable frame: {named}')
    lines += [f'left out: {n} {why}' for why, n in sorted(skipped.items())]
    lines += [f'fault: {fault}' for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        more = counted(len(faults) - SHOWN_FAULTS, 'fault')
        lines.append(f'and {more} more')
    return '\n'.join(lines)


def describe_unreadable(faults: Sequence[str]) -> str:
    """Return which scenes cannot be read, and what to do."""
    from mmdet3d_act.text import counted

    scenes = counted(len(faults), 'scene')
    lines = [f'{scenes} cannot be read:', *sorted(faults)]
    if len(faults) > SHOWN_FAULTS:
        more = len(faults) - SHOWN_FAULTS
        lines[SHOWN_FAULTS + 1 :] = [f'and {more} more']
    lines.append(
        'Get these files again, or leave the scenes out by --scene-list. What '
        'is done is kept; the same command goes on.'
    )
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Write what is not written yet.

    Raises:
        UsageError: If something is missing or cannot be written, or, after
            all others are written, scenes cannot be read.
    """
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.processes import work_off
    from mmdet3d_act.progress import ProgressDisplay

    exports = plan(args)
    pending = [export for export in exports if not export.is_done()]
    faults: list[str] = []
    try:
        if pending:
            args.out.mkdir(parents=True, exist_ok=True)
            with ProgressDisplay('scenes') as progress:
                there = len(exports) - len(pending)
                progress(there, len(exports))
                exported = work_off(export_scene, pending, args.workers)
                for done, (_, fault) in enumerate(exported, start=1):
                    faults += [fault] if fault else []
                    progress(there + done, len(exports))
    except (OSError, ValueError) as error:
        raise UsageError(
            f'{error}\nWhat is done is kept; the same command goes on.'
        ) from error
    print(summarize([export for export in exports if export.is_done()]))
    if faults:
        raise UsageError(describe_unreadable(faults))


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args),
        kept='scenes that are done are kept; the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
