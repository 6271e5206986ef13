#!/usr/bin/env python
"""Train the small student that the package ships.

    python tools/dataset_converters/sweethome3d.py PACKAGE FURNITURE
    python benchmarks/train_student.py OUT --furniture FURNITURE

As `make demo`, of more procedural scans and of furniture, whose clouds for
training are added; without --furniture, to tell what it is worth, of scans
alone, and no student is written. A second call goes on where an interrupted
one stopped.
OUT/student gets the folder that `mmdet3d_act/students/` holds, OUT/result.json
what the probes measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
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
CLOUDS = Path('ShapeNet55-34/shapenet_pc')
CLOUD_LIST = Path('ShapeNet55-34/ShapeNet-55/train.txt')
CARD = """## Data

{clouds} procedural shapes of {classes} categories, made up by
`tools/dataset_converters/make_synthetic_shapes.py` (version {version}) with
seed {seed}: seen from one side as by a depth sensor, tilted by up to 30
degrees, noisy, with clutter; no scanned or modelled object is behind them.

And clouds of {models} models of furniture, people, plants, cars and more of
Debian's `sweethome3d-furniture` (`tools/dataset_converters/sweethome3d.py`,
the objects for training), without labels. They are CC0 or CC-BY and are not
passed on here; those that ask for their makers' names are by
{makers}.

Shapes and weights are Apache-2.0.

## Training

`python benchmarks/train_student.py OUT --furniture FURNITURE --seed {seed}`:
ACT with the frozen language model MiniLM (all-MiniLM-L6-v2, Apache-2.0) as the
teacher, configs `act/act_dvae_shapenet_demo.py` ({steps[0]} steps of 16
clouds) and `act/act_pretrain_shapenet_demo.py` ({steps[1]} steps of 64).

## What it has learned

Accuracy of simple classifiers on its frozen features of held-out procedural
shapes, percent, one seed:

| student | linear SVM | 20 nearest neighbours | SVM, 10 labels a class |
|---|---|---|---|
{rows}

For a first look and as a start for small data. It has seen no real scan."""
COLUMNS = ('svm_accuracy', 'knn_accuracy', 'few_label_accuracy')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', type=Path, help='folder for everything')
    parser.add_argument('--furniture', type=Path)
    parser.add_argument('--clouds', type=int, default=3000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--epochs', type=int, nargs=2, default=[4, 72], help='of both stages'
    )
    return parser.parse_args()


def main() -> None:
    """Make the scans, train both stages, probe the student, write it."""
    args = parse_args()
    os.environ['ACT_DATA_ROOT'] = str(args.out / 'data')
    warnings.filterwarnings('ignore')
    command = [sys.executable, str(ROOT / SHAPES_TOOL), str(args.out / 'data')]
    command += ['--num-pretrain', str(args.clouds), '--seed', str(args.seed)]
    subprocess.run(command, check=True)
    if args.furniture:
        add_furniture(args.out / 'data', args.furniture)
    result = args.out / 'result.json'
    if not result.is_file():
        result.write_text(json.dumps(train_both(args), indent=1))
    if args.furniture:
        print(write_student(args, json.loads(result.read_text())))


def add_furniture(folder: Path, furniture: Path) -> None:
    """Add the furniture's clouds for training to the procedural ones."""
    listed = (furniture / CLOUD_LIST).read_text()
    if listed not in (folder / CLOUD_LIST).read_text():
        for name in listed.split():
            shutil.copy(furniture / CLOUDS / name, folder / CLOUDS)
        with (folder / CLOUD_LIST).open('a') as file:
            file.write(listed)


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
            epochs=args.epochs[stage - 1],
            options=options,
        )

    teacher = train(config(1))
    stage2 = config(2, **{f'{GENERATOR}.checkpoint': teacher})
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
    models = json.loads((args.furniture / 'models.json').read_text())
    models = [one for one in models if one['split'] == 'train']
    makers = {
        maker
        for one in models
        if one['catalog'] != 'BlendSwap-CC-0'
        for maker in re.split(', | & ', one['creator'])
    }
    folders = [args.out / f'stage{stage}' for stage in (1, 2)]
    rows = [
        ' | '.join([name, *(f'{row[column]:.1f}' for column in COLUMNS)])
        for name, row in results.items()
    ]
    card = CARD.format(
        clouds=args.clouds,
        classes=len(known['categories']),
        version=known['version'],
        models=len(models),
        makers=textwrap.fill(', '.join(sorted(makers, key=str.lower)), 79),
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
