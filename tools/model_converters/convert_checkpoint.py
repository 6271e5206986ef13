#!/usr/bin/env python
"""Convert a published checkpoint to one that this package reads.

python tools/model_converters/convert_checkpoint.py SRC DST
python tools/model_converters/convert_checkpoint.py SRC DST --task backbone
python tools/model_converters/convert_checkpoint.py SRC --task classifier

The format is recognised by the parameter names: ACT (stage I, stage II,
fine-tuned, part and semantic segmentation), Point-MAE and 3DETR as a whole;
Point-BERT, MaskPoint and ReCon as backbones. What became of every parameter
is reported; nothing is dropped without a reason. Without DST nothing is
written.

The file is read without executing what it holds. DST keeps where it is from
(name, sha256, format) and what it was trained with, and is read by
init_cfg=dict(type='Pretrained', checkpoint=DST), by load_from and by
tools/test.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from config_arguments import ConfigArgumentParser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(
        __doc__, 'num_heads=4 or backbone.num_groups=512 (not in the weights)'
    )
    add = parser.add_argument
    add('src', help='published file')
    add('dst', nargs='?', help='file that is written; none to look only')
    add(
        '--task',
        help='what is taken out: backbone, autoencoder, distiller, ... '
        '(default: all that the file holds)',
    )
    add(
        '--allow-unexpected',
        action='store_true',
        help='go on without parameters that nothing explains, naming them',
    )
    add('--up-axis', choices=['x', 'y', 'z'], help='of the training data')
    add(
        '--normalization',
        choices=['unit_sphere', 'none'],
        help='of the training data',
    )
    add(
        '--model-config',
        metavar='FILE.py',
        help="write the network's config, with the published options",
    )
    args = parser.parse_args(argv)
    if args.model_config and Path(args.model_config).suffix != '.py':
        parser.error(f'--model-config must end in .py: {args.model_config}')
    if args.dst and Path(args.dst).resolve() == Path(args.src).resolve():
        parser.error('DST must be another file than SRC')
    return args


def convert(args: argparse.Namespace) -> None:
    """Convert the file, and report what became of its parameters."""
    import mmdet3d_act  # noqa: F401 (registers the networks)
    from mmdet3d_act.converters import (
        config_text,
        plan_conversion,
        write_checkpoint,
    )
    from mmdet3d_act.engine.launch import UsageError

    data = dict(up_axis=args.up_axis, normalization=args.normalization)
    try:
        result = plan_conversion(
            args.src,
            args.task,
            options=args.cfg_options,
            dataset_meta={k: v for k, v in data.items() if v is not None},
            checkpoint=args.dst,
        )
        print(result.report())
        result.check(allow_unexpected=args.allow_unexpected)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    print('  provenance')
    for key, value in result.meta['converted'].items():
        print(f'    {key}: {value}')
    if args.dst is not None:
        write_checkpoint(args.dst, result.state, result.meta)
        print(f'Written: {args.dst} ({len(result.state)} tensors)')
    if args.model_config is not None:
        path = Path(args.model_config)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config_text(result.config), encoding='utf-8')
        print(f'Written: {args.model_config}')


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: convert(args))


if __name__ == '__main__':
    sys.exit(main())
