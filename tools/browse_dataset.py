#!/usr/bin/env python
"""Show what a model is fed, after each transform, as a contact sheet.

python tools/browse_dataset.py configs/act/act_pretrain_shapenet.py
python tools/browse_dataset.py CONFIG --part val --indices 0 7 --epochs 3
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config_arguments import ConfigArgumentParser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--part',
        choices=['train', 'val', 'test'],
        default='train',
        help='which data of the config (default: train)',
    )
    parser.add_argument(
        '--num', type=int, default=4, help='samples, evenly spread'
    )
    parser.add_argument(
        '--indices', type=int, nargs='+', help='which samples instead'
    )
    parser.add_argument(
        '--epochs',
        type=int,
        default=1,
        help='rows per sample: the first epochs of a training, to see what '
        'changes from one to the next',
    )
    parser.add_argument('--seed', type=int, default=0, help='as of a training')
    parser.add_argument(
        '--out',
        metavar='PNG',
        help='the picture (default: work_dirs/browse/CONFIG_PART.png)',
    )
    parser.add_argument(
        '--html', action='store_true', help='a web page as well'
    )
    parser.add_argument(
        '--panel', type=int, default=170, help='width of one cloud'
    )
    args = parser.parse_args(argv)
    if min(args.num, args.epochs) < 1 or args.seed < 0 or args.panel < 16:
        parser.error('--num and --epochs are >= 1, --seed >= 0, --panel >= 16')
    if args.out is not None and Path(args.out).suffix != '.png':
        parser.error(f'--out must end in .png, got {args.out}')
    return args


def browse(args: argparse.Namespace) -> None:
    """Trace the samples and draw them."""
    from sample_traces import TRACE_NOTE, trace_rows, trace_sample

    from mmdet3d_act.apis.loading import build_dataset
    from mmdet3d_act.apis.pictures import choose_indices
    from mmdet3d_act.engine import launch
    from mmdet3d_act.text import counted
    from mmdet3d_act.visualization import draw_sheet, write_html

    cfg = launch.load_config(args.config, args.cfg_options)
    dataset = build_dataset(cfg, args.config, args.part)
    chosen = choose_indices(dataset, args.num, args.indices)
    try:
        traces = [
            trace
            for index in chosen
            for trace in trace_sample(
                dataset, index, epochs=args.epochs, seed=args.seed
            )
        ]
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    name = f'{Path(args.config).stem}_{args.part}.png'
    meta = dataset.metainfo
    up_axis = meta.get('up_axis', 'y')
    rows = trace_rows(
        traces,
        classes=meta.get('classes', ()),
        palette=meta.get('palette'),
        up_axis=up_axis,
    )
    path = draw_sheet(
        rows,
        args.out or Path('work_dirs/browse') / name,
        up_axis=up_axis,
        panel=args.panel,
        notes=[TRACE_NOTE],
    )
    print(
        f'{type(dataset).__name__} with {counted(len(dataset), "sample")}, '
        f'up axis {up_axis}; drawn: {len(chosen)} of them'
    )
    for trace in traces:
        if trace.steps and trace.steps[-1].error:
            print(f'bad {trace.name}: {trace.steps[-1].error}')
    print(f'Written: {path}')
    if args.html:
        page = path.with_suffix('.html')
        heading = 'What the model is fed'
        write_html(rows, page, up_axis=up_axis, heading=heading)
        print(f'Written: {page}')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: browse(args))


if __name__ == '__main__':
    sys.exit(main())
