#!/usr/bin/env python
"""Find objects, or classes of points, in scans of one's own.

python tools/infer_scene.py CONFIG CHECKPOINT scan.ply
python tools/infer_scene.py CONFIG CHECKPOINT scans/*.npy --score 0.5 --html

Scans are metres, z up: .ply, .pcd, .npy, .npz, .txt and the other formats of
docs/data.md, or .bin, rows of float32. A detector writes NAME.json (boxes with
classes and scores), a segmentor NAME.npz (points, labels, classes), both
NAME.png. All are in the coordinates of the scan.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config_arguments import ConfigArgumentParser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(__doc__)
    parser.add_argument('config', help='config of the training')
    parser.add_argument(
        'checkpoint', help='its checkpoint, or its work directory'
    )
    parser.add_argument('files', nargs='+', help='scans')
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='least score of a detection (default: 0.3)',
    )
    parser.add_argument(
        '--columns',
        type=int,
        default=6,
        help='numbers per point in .bin files (default: 6, as ScanNet)',
    )
    parser.add_argument(
        '--as-is',
        action='store_true',
        help='leave scans where they are; by default the model sees them with '
        'the middle of the floor at the origin, as aligned scenes of ScanNet',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for everything (default: found_NAME beside the '
        'checkpoint)',
    )
    parser.add_argument(
        '--html', action='store_true', help='web pages to turn them as well'
    )
    parser.add_argument(
        '--panel', type=int, default=420, help='width of one picture'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    args = parser.parse_args(argv)
    if args.columns < 3 or args.panel < 16:
        parser.error('--columns is >= 3, --panel >= 16')
    if not 0 <= args.score <= 1:
        parser.error(f'--score is from 0 to 1, got {args.score:g}')
    return args


def infer(args: argparse.Namespace) -> None:
    """Load the model, and write what it finds in each scan."""
    from mmdet3d_act.apis.loading import load_model
    from mmdet3d_act.apis.scene_inference import (
        infer_scenes,
        open_scenes,
        summarize_result,
    )
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(args.config, args.cfg_options)
    scenes = open_scenes(
        cfg,
        args.files,
        args.config,
        num_columns=args.columns,
        place=not args.as_is,
    )
    path = resolve_checkpoint(args.checkpoint)
    model = load_model(cfg, path, args.config, args.device)
    folder = args.out or Path(path).with_name(f'found_{Path(path).stem}')
    for result, paths in infer_scenes(
        model,
        scenes,
        folder,
        min_score=args.score,
        html=args.html,
        panel=args.panel,
        warn=lambda doubt: print(f'warning: {doubt}', file=sys.stderr),
    ):
        print(summarize_result(result))
        print(f'Written: {", ".join(map(str, paths))}')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: infer(args))


if __name__ == '__main__':
    sys.exit(main())
