#!/usr/bin/env python
"""Train the small student that the package ships.

    python benchmarks/train_student.py OUT

The settings of `make demo` on more of its procedural scans, hence with more
steps. A second call goes on where an interrupted one stopped. OUT/student
gets the folder that `mmdet3d_act/students/` holds, OUT/result.json what the
probes measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STAGE1 = 'configs/act/act_dvae_shapenet_demo.py'
STAGE2 = 'configs/act/act_pretrain_shapenet_demo.py'
SHAPES_TOOL = 'tools/dataset_converters/make_synthetic_shapes.py'
CHECKPOINT = 'model.objectives.act.target_generator.generator.checkpoint'


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
    """Make the scans, train both stages, probe the student."""
    args = parse_args()
    os.environ['ACT_DATA_ROOT'] = str(args.out / 'data')
    warnings.filterwarnings('ignore')
    command = [sys.executable, str(ROOT / SHAPES_TOOL), str(args.out / 'data')]
    command += ['--num-pretrain', str(args.clouds), '--seed', str(args.seed)]
    subprocess.run(command, check=True)

    from mmdet3d_act.apis import prepare_config, train, validate

    def config(stage: int, **options: object) -> object:
        return prepare_config(
            str(ROOT / (STAGE1, STAGE2)[stage - 1]),
            str(args.out / f'stage{stage}'),
            seed=args.seed,
            amp=True,
            resume='auto',
            options=options,
        )

    teacher = train(config(1))
    stage2 = config(2, **{CHECKPOINT: teacher})
    training = stage2.copy()
    training.val_dataloader = training.val_cfg = training.val_evaluator = None
    student = train(training)
    rows = {
        'untrained': validate(stage2),
        'pretrained': validate(stage2, student),
    }
    (args.out / 'result.json').write_text(json.dumps(rows, indent=1))
    print(json.dumps(rows, indent=1))


if __name__ == '__main__':
    main()
