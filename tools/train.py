#!/usr/bin/env python
"""Train a config: pretraining, or anything else that MMEngine trains.

python tools/train.py configs/act/act_pretrain_shapenet.py
python tools/train.py CONFIG --resume --amp --cfg-options train_cfg.max_epochs=10
"""  # noqa: E501

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from config_arguments import (
    ConfigArgumentParser,
    at_least,
    exit_without,
)

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(
        'Train a config.', 'train_dataloader.batch_size=32'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints '
        "(default: the config's, or work_dirs/NAME_OF_CONFIG)",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='auto|PATH',
        help='continue from a checkpoint; without a value from the last one '
        'in the work directory, if there is one',
    )
    parser.add_argument(
        '--epochs',
        type=at_least(1),
        help='length of the training, more than its warm-up, with the '
        'schedule that fits (default: as the config says)',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on GPUs, bfloat16 on CPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the total batch size',
    )
    parser.add_argument(
        '--sync-bn',
        action='store_true',
        help='batch statistics over all processes (GPUs)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the loss with torch.compile, for GPUs: on a CPU the '
        'first step takes 5 minutes and more',
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='say whether something is missing, and train nothing',
    )
    parser.add_argument(
        '--seed', type=at_least(0), help='seed of everything, >= 0'
    )
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='deterministic kernels only; slower on GPUs',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (dist_train.sh says pytorch)',
    )
    # Given by some launchers; what counts is their environment variable.
    parser.add_argument('--local-rank', type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def train(args: argparse.Namespace) -> None:
    """Check the config and what it needs, then train."""
    from mmdet3d_act import apis
    from mmdet3d_act_cli import import_for_good

    def adapt(cfg: Config) -> None:
        # Where Ctrl-C looks for what is kept.
        args.work_dir = cfg.work_dir
        if args.sync_bn:
            cfg.sync_bn = 'torch'
        if args.compile:
            cfg.compile = cfg.get('compile') or True

    cfg = apis.prepare_config(
        args.config,
        args.work_dir,
        options=args.cfg_options,
        adapt=adapt,
        seed=args.seed,
        deterministic=args.deterministic,
        epochs=args.epochs,
        resume=args.resume,
        amp=args.amp,
        auto_scale_lr=args.auto_scale_lr,
        launcher=args.launcher,
    )
    if args.check:
        from mmdet3d_act.apis.training import check_files

        for fault in check_files(cfg, args.config):
            print(f'left out: {fault}')
        print(f'{args.config}: nothing is missing')
        return
    import_for_good('mmdet3d.engine')
    apis.train(cfg)


def what_is_kept(args: argparse.Namespace) -> str:
    """Say after Ctrl-C what is there, and how to go on."""
    from mmdet3d_act.checkpoint import find_checkpoint
    from mmdet3d_act.engine.failures import RUN_AGAIN

    path = find_checkpoint(str(args.work_dir)) if args.work_dir else None
    if path is None:
        return f'no checkpoint has been saved yet; {RUN_AGAIN}'
    return f'{path} is kept; the same command with --resume goes on from it'


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    if args.resume not in (None, 'auto'):
        exit_without(args.resume)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: train(args), args.launcher, kept=lambda: what_is_kept(args)
    )


if __name__ == '__main__':
    sys.exit(main())
