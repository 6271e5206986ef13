#!/usr/bin/env python
"""Draw what a pretraining checkpoint makes of point clouds.

python tools/visualize_reconstruction.py CONFIG work_dirs/NAME/epoch_300.pth
python tools/visualize_reconstruction.py CONFIG CHECKPOINT --data FOLDER --ply

Stage I: input, patches, their codes, coarse and dense reconstruction. Stage II
and Point-MAE: input, patches, what is visible, and the masked patches as they
are predicted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config_arguments import ConfigArgumentParser, load_config_of


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(__doc__)
    parser.add_argument('config', help='config of the training')
    parser.add_argument(
        'checkpoint', help='its checkpoint, or its work directory'
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        '--data', metavar='FOLDER', help='clouds of a folder instead'
    )
    source.add_argument(
        '--part',
        choices=['train', 'val', 'test'],
        help="which of the config's data (default: the first of val, train, "
        'test that it has)',
    )
    parser.add_argument(
        '--num', type=int, default=6, help='clouds, evenly spread'
    )
    parser.add_argument(
        '--indices', type=int, nargs='+', help='which clouds instead'
    )
    parser.add_argument(
        '--up-axis',
        choices=['x', 'y', 'z'],
        help='of --data (default: a guess)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the masks')
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for everything (default: pictures_NAME beside the '
        'checkpoint)',
    )
    parser.add_argument(
        '--ply', action='store_true', help='every cloud as a .ply as well'
    )
    parser.add_argument(
        '--html', action='store_true', help='a web page to turn them as well'
    )
    parser.add_argument(
        '--panel', type=int, default=220, help='width of one cloud'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    args = parser.parse_args(argv)
    if args.num < 1 or args.seed < 0 or args.panel < 16:
        parser.error('--num is >= 1, --seed >= 0, --panel >= 16')
    if args.up_axis and not args.data:
        parser.error('--up-axis goes with --data; the config states its own')
    return args


def visualize(args: argparse.Namespace) -> None:
    """Load model and clouds, draw them."""
    from mmdet3d_act.apis.loading import (
        build_dataset,
        build_folder,
        load_model,
    )
    from mmdet3d_act.apis.pictures import draw_model
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.engine import launch

    cfg = load_config_of(args)
    checkpoint = resolve_checkpoint(args.checkpoint)
    model = load_model(cfg, checkpoint, args.config, args.device)
    if args.data:
        dataset = build_folder(cfg, args.data, up_axis=args.up_axis or 'auto')
    else:
        dataset = build_dataset(cfg, args.config, args.part)
    beside = Path(checkpoint).with_name(f'pictures_{Path(checkpoint).stem}')
    try:
        paths = draw_model(
            model,
            dataset,
            args.out or beside,
            num_samples=args.num,
            indices=args.indices,
            seed=args.seed,
            ply=args.ply,
            html=args.html,
            panel=args.panel,
        )
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    for path in paths:
        more = ' and others' * (path.suffix == '.ply')
        print(f'Written: {path}{more}')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: visualize(args))


if __name__ == '__main__':
    sys.exit(main())
