#!/usr/bin/env python
"""Train the small student that the package ships.

    python benchmarks/train_student.py OUT

As `make demo`, of more procedural scans, by three layers of the teacher, in
more steps of less. A second call goes on where an interrupted one stopped.
OUT/student gets the folder that `mmdet3d_act/students/` holds, OUT/result.json
what the probes measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STAGE1 = 'configs/act/act_dvae_shapenet_demo.py'
STAGE2 = 'configs/act/act_pretrain_shapenet_demo.py'
SHAPES_TOOL = 'tools/dataset_converters/make_synthetic_shapes.py'
GENERATOR = 'model.objectives.act.target_generator.generator'
LAYERS = 'teacher.num_layers'
CARD = """## Data

{clouds} procedural shapes of {classes} categories, made up by
`tools/dataset_converters/make_synthetic_shapes.py` with seed {seed}: seen from
one side as by a depth sensor, tilted by up to 30 degrees, noisy, with clutter.
No scanned or modelled object is behind them, and no licence of others holds:
weights and shapes are Apache-2.0.

## Training

`python benchmarks/train_student.py OUT --seed {seed}`: ACT with the frozen
language model MiniLM (all-MiniLM-L6-v2, Apache-2.0) as the teacher, configs
`act/act_dvae_shapenet_demo.py` ({steps[0]} steps of 32 clouds) and
`act/act_pretrain_shapenet_demo.py` ({steps[1]} steps of 64), with three layers
of the teacher.

## What it has learned

Accuracy of simple classifiers on its frozen features of held-out procedural
shapes, percent, one seed:

| student | linear SVM | 20 nearest neighbours | SVM, 10 labels a class |
|---|---|---|---|
{rows}

For a first look and as a start for small data. Features of real scans are less
good than these figures: it has seen none."""
COLUMNS = ('svm_accuracy', 'knn_accuracy', 'few_label_accuracy')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', type=Path, help='folder for everything')
    parser.add_argument('--clouds', type=int, default=3000)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Make the scans, train both stages, probe the student, write it."""
    args = parse_args()
    os.environ['ACT_DATA_ROOT'] = str(args.out / 'data')
    warnings.filterwarnings('ignore')
    command = [sys.executable, str(ROOT / SHAPES_TOOL), str(args.out / 'data')]
    command += ['--num-pretrain', str(args.clouds), '--seed', str(args.seed)]
    subprocess.run(command, check=True)
    result = args.out / 'result.json'
    if not result.is_file():
        result.write_text(json.dumps(train_both(args), indent=1))
    print(write_student(args, json.loads(result.read_text())))


def train_both(args: argparse.Namespace) -> dict[str, dict]:
    """Train both stages; return what the probes measure.

    Args:
        args: The command line's arguments.
    """
    from mmdet3d_act.apis import prepare_config, train, validate

    def config(stage: int, **options: object) -> Config:
        return prepare_config(
            str(ROOT / (STAGE1, STAGE2)[stage - 1]),
            str(args.out / f'stage{stage}'),
            seed=args.seed,
            amp=True,
            resume='auto',
            # The demo is shorter, with larger rates.
            epochs=(8, 48)[stage - 1],
            options={'optim_wrapper.optimizer.lr': 1e-3, **options},
        )

    teacher = train(
        config(1, **{f'model.{LAYERS}': 3, 'train_dataloader.batch_size': 32})
    )
    layers = f'{GENERATOR}.autoencoder.{LAYERS}'
    stage2 = config(2, **{f'{GENERATOR}.checkpoint': teacher, layers: 3})
    training = stage2.copy()
    training.val_dataloader = training.val_cfg = training.val_evaluator = None
    student = train(training)
    return {
        'untrained': validate(stage2),
        'pretrained': validate(stage2, student),
    }


def write_student(args: argparse.Namespace, results: dict[str, dict]) -> str:
    """Write the folder of the student; return the text of its card.

    Args:
        args: The command line's arguments.
        results: Of :func:`train_both`.
    """
    from mmdet3d_act.apis import from_pretrained, save_pretrained
    from mmdet3d_act.checkpoint import read_checkpoint
    from mmdet3d_act.synthetic.shape_set import ShapeSet

    known = json.loads((args.out / 'data' / ShapeSet.manifest).read_text())
    folders = [args.out / f'stage{stage}' for stage in (1, 2)]
    rows = [
        ' | '.join([name, *(f'{row[column]:.1f}' for column in COLUMNS)])
        for name, row in results.items()
    ]
    card = CARD.format(
        clouds=args.clouds,
        classes=len(known['categories']),
        seed=args.seed,
        steps=[read_checkpoint(one)['meta']['iter'] for one in folders],
        rows='\n'.join(f'| {row} |' for row in rows),
    )
    save_pretrained(
        from_pretrained(folders[1]),
        args.out / 'student',
        name='act-mini',
        card=card,
        half=True,
        # ShapeNet's, which the procedural shapes have a part of.
        classes=None,
    )
    return card


if __name__ == '__main__':
    main()
