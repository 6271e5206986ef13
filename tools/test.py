#!/usr/bin/env python
"""Evaluate a checkpoint on a config's test set.

python tools/test.py CONFIG work_dirs/NAME/epoch_300.pth --out metrics.json
python tools/test.py CONFIG work_dirs/NAME             its last checkpoint
python tools/test.py CONFIG CHECKPOINT --tta           one vote over 10 views
python tools/test.py CONFIG CHECKPOINT --tta --votes 10     and the best of 10
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from config_arguments import (
    ConfigArgumentParser,
    at_least,
    exit_without,
    load_config_of,
)

TEST_PARTS = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser('Evaluate a checkpoint.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        help='checkpoint: a file, an address, or a work directory, whose '
        'last one is taken',
    )
    parser.add_argument(
        '--work-dir',
        help='folder for the log '
        "(default: test/ in the config's, or in work_dirs/NAME_OF_CONFIG)",
    )
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='write the metrics to a .json, or the predictions to a .pkl',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="vote over several random views of every sample, as the config's "
        'tta_model, tta_dataloader and tta_cfg say',
    )
    parser.add_argument(
        '--votes',
        type=at_least(1),
        metavar='R',
        help='with --tta: repeat the vote R times; vote/... are the results '
        'of the first, best_of_R_votes/... those of the best, which the '
        'labels of the test set choose',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (dist_test.sh says pytorch)',
    )
    # Given by some launchers; what counts is their environment variable.
    parser.add_argument('--local-rank', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.out is not None and Path(args.out).suffix not in ('.json', '.pkl'):
        parser.error(f'--out must end in .json or .pkl, got {args.out}')
    if args.votes is not None and not args.tta:
        parser.error('--votes goes with --tta')
    return args


def test(args: argparse.Namespace) -> None:
    """Set up the config, check it, evaluate."""
    from mmengine.dist import is_main_process
    from mmengine.logging import print_log

    from mmdet3d_act.apis.loading import initialize
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.engine import launch
    from mmdet3d_act.engine.distributed import unwrapped

    cfg = load_config_of(args)
    launch.require(cfg, TEST_PARTS, args.config)
    cfg.launcher = args.launcher
    cfg.load_from = resolve_checkpoint(args.checkpoint)
    cfg.resume = False
    launch.set_work_dir(cfg, args.work_dir, args.config)
    if args.work_dir is None:
        # The training's config stays as it is.
        cfg.work_dir = str(Path(cfg.work_dir) / 'test')
    launch.forget_pretrained(cfg)
    if args.tta:
        launch.enable_tta(cfg, args.config, args.votes)
    launch.check_requirements(cfg, args.config, TEST_PARTS)

    runner = launch.build_runner(cfg)
    # Teachers and what else is frozen are not in the checkpoint.
    initialize(unwrapped(runner.model))
    if args.out is not None and args.out.endswith('.pkl'):
        from mmengine.evaluator import DumpResults

        runner.test_evaluator.metrics.append(DumpResults(args.out))
    metrics = runner.test()
    if args.out is not None and is_main_process():
        if args.out.endswith('.json'):
            text = json.dumps(metrics, indent=2, default=float)
            Path(args.out).write_text(text + '\n', encoding='utf-8')
        print_log(f'Written: {args.out}', logger='current')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    exit_without(args.checkpoint)
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: test(args), args.launcher)


if __name__ == '__main__':
    sys.exit(main())
