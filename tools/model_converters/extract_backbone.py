#!/usr/bin/env python
"""Take the point Transformer out of one of our own training checkpoints.

python tools/model_converters/extract_backbone.py CHECKPOINT DST
python tools/model_converters/extract_backbone.py work_dirs/act_pretrain_shapenet student.pth

CHECKPOINT is that of a pretraining (stage II, concept distillation, Point-MAE)
or of a classifier, segmentor or detector that was trained from one, or a work
directory, whose last checkpoint is taken. DST holds the weights of the point Transformer
alone, without prefix, optimiser and teacher, where they are from, and what
they were trained with. init_cfg=dict(type='Pretrained', checkpoint=DST)
reads it, and CHECKPOINT itself as well.
"""  # noqa: E501

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Modules beside this one; the package of this checkout, also where another
# one is installed.
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit code 2: there is no such backbone; the message says why.',
    )
    add = parser.add_argument
    add('checkpoint', help='file or work directory of a training')
    add('dst', help='file that is written')
    add(
        '--prefix',
        help="what stands before the backbone's names (default: found)",
    )
    return parser.parse_args(argv)


def extract(args: argparse.Namespace) -> None:
    """Write the backbone, and say what it is."""
    from extraction import extract_backbone

    import mmdet3d_act  # noqa: F401 (registers the networks)
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.converters import config_text, write_checkpoint
    from mmdet3d_act.engine.launch import UsageError

    source = resolve_checkpoint(args.checkpoint)
    if Path(args.dst).resolve() == Path(source).resolve():
        raise UsageError(f'DST must be another file than CHECKPOINT: {source}')
    try:
        found = extract_backbone(args.checkpoint, args.prefix)
        write_checkpoint(args.dst, found.state, found.meta)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    origin = found.meta['extracted']
    print(
        f'{origin["source"]}: {len(found.state)} tensors taken, {found.left} '
        f'of other parts left\nWritten: {args.dst}\n'
        f'{config_text(found.config)}',
        end='',
    )
    if 'num_heads' not in found.config:
        print(
            'The checkpoint does not say its number of heads (it holds no '
            'config): give num_heads yourself.'
        )


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: extract(args))


if __name__ == '__main__':
    sys.exit(main())
