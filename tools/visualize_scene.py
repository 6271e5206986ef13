#!/usr/bin/env python
"""Draw what a detector or a segmentor finds in scenes, and what is there.

python tools/visualize_scene.py CONFIG work_dirs/NAME/epoch_100.pth
python tools/visualize_scene.py CONFIG CHECKPOINT --score 0.5 --html
python tools/visualize_scene.py CONFIG            # the annotations alone
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
        'checkpoint',
        nargs='?',
        help='its checkpoint, or its work directory; none draws the '
        'annotations alone',
    )
    parser.add_argument(
        '--part',
        choices=['train', 'val', 'test'],
        help="which of the config's data (default: the first of val, train, "
        'test that it has)',
    )
    parser.add_argument(
        '--num', type=int, default=3, help='scenes, evenly spread'
    )
    parser.add_argument(
        '--indices', type=int, nargs='+', help='which scenes instead'
    )
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='of the detections that are drawn (default: 0.3)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for everything (default: scenes_NAME beside the '
        'checkpoint, work_dirs/scenes without one)',
    )
    parser.add_argument(
        '--html', action='store_true', help='a web page to turn them as well'
    )
    parser.add_argument(
        '--panel', type=int, default=420, help='width of one picture'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    args = parser.parse_args(argv)
    if args.num < 1 or args.panel < 16:
        parser.error('--num is >= 1, --panel >= 16')
    if not 0 <= args.score <= 1:
        parser.error(f'--score is from 0 to 1, got {args.score:g}')
    return args


def visualize(args: argparse.Namespace) -> None:
    """Load model and scenes, draw them."""
    from mmdet3d_act.apis.loading import (
        build_dataset,
        load_model,
    )
    from mmdet3d_act.apis.scene_pictures import (
        draw_scenes,
        require_scene_model,
    )
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(args.config, args.cfg_options)
    model, folder = None, Path('work_dirs/scenes')
    if args.checkpoint:
        require_scene_model(cfg, args.config)
        path = resolve_checkpoint(args.checkpoint)
        model = load_model(cfg, path, args.config, args.device)
        folder = Path(path).with_name(f'scenes_{Path(path).stem}')
    dataset = build_dataset(cfg, args.config, args.part)
    try:
        paths = draw_scenes(
            model,
            dataset,
            args.out or folder,
            num_samples=args.num,
            indices=args.indices,
            min_score=args.score,
            html=args.html,
            panel=args.panel,
        )
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    for path in paths:
        print(f'Written: {path}')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: visualize(args))


if __name__ == '__main__':
    sys.exit(main())
