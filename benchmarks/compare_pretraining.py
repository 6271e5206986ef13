#!/usr/bin/env python
"""Compare ways of pretraining, over seeds: the tables of docs/results.md.

    python benchmarks/compare_pretraining.py procscan --data DIR --seeds 0 1 2
    python benchmarks/compare_pretraining.py real --data DIR --seeds 0 1 2

`procscan` reads what tools/dataset_converters/make_synthetic_shapes.py wrote
and takes the demo's configs (MiniLM as the teacher); `real` reads a data root
with ShapeNet55-34, real_shapes and teachers/ and takes the tiny configs
(ViT-Tiny). Every row is kept in OUT/results.json; what is there is not run
again. CPU seconds of the trainings are counted, so that rows can be compared
at equal time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

GENERATOR = 'model.objectives.act.target_generator.generator'
NORM = 'model.objectives.act.target_norm'
VARIANTS = {'procscan': '_demo', 'real': '_tiny'}
PROBES = {'procscan': 'procscan', 'real': 'real_shapes'}
METRICS = {
    'svm_accuracy': 'SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': 'few labels',
}


class Study:
    """Runs the rows of a table.

    Args:
        args: The command line's arguments.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.out = Path(args.out or f'work_dirs/compare_{args.study}')
        self.out.mkdir(parents=True, exist_ok=True)
        # Some real classes have four clouds.
        self.labels = 10 if args.study == 'procscan' else 3

    def config(self, name: str, seed: int, folder: str, **options: object):  # noqa: ANN201
        """Return a config whose probe scores the wanted split."""
        from mmdet3d_act.apis import prepare_config

        def adapt(cfg: object) -> None:
            if 'LinearProbeMetric' not in str(cfg.get('val_evaluator')):
                return
            parts = cfg.val_dataloader['dataset']['datasets']
            root = Path(self.args.data) / PROBES[self.args.study]
            for part in parts:
                part['data_root'] = str(root)
            parts[1]['split'] = self.args.split
            cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None

        return prepare_config(
            str(ROOT / 'configs' / name),
            str(self.out / f'{folder}_seed{seed}'),
            seed=seed,
            amp=True,
            adapt=adapt,
            options={
                'log_level': 'WARNING',
                'default_hooks.checkpoint.interval': 1000,
                **options,
            },
        )

    def act(self, seed: int, row: str, *, teacher: dict) -> dict:
        """Train both stages and probe the student."""
        from mmdet3d_act.apis import train, validate

        variant = VARIANTS[self.args.study]
        start = time.process_time()
        stage1 = self.config(
            f'act/act_dvae_shapenet{variant}.py',
            seed,
            f'{row}_stage1',
            **prefixed('model', teacher),
        )
        autoencoder = cached(stage1.work_dir, lambda: train(stage1))
        middle = time.process_time()
        stage2 = self.config(
            f'act/act_pretrain_shapenet{variant}.py',
            seed,
            f'{row}_stage2_{self.args.target_norm}',
            **prefixed(f'{GENERATOR}.autoencoder', teacher),
            **{
                f'{GENERATOR}.checkpoint': autoencoder,
                f'{NORM}.mode': self.args.target_norm,
                'val_evaluator.knn': 20,
                'val_evaluator.labels_per_class': self.labels,
            },
        )
        student = train(without_validation(stage2))
        seconds = time.process_time() - middle
        metrics = validate(stage2, student)
        return {
            **metrics,
            'stage1_seconds': middle - start,
            'stage2_seconds': seconds,
        }

    def untrained(self, seed: int) -> dict:
        """Probe the student as it is initialised."""
        from mmdet3d_act.apis import validate

        return validate(self.point_mae_config(seed, 1))

    def point_mae_config(self, seed: int, num_epochs: int):  # noqa: ANN201
        """Return the config of Point-MAE."""
        return self.config(
            'point-mae/point-mae_pretrain_shapenet_tiny.py',
            seed,
            'point-mae',
            **{
                'model.student.with_cls_token': True,
                'val_evaluator.knn': 20,
                'val_evaluator.labels_per_class': self.labels,
            },
            **epochs(num_epochs),
        )

    def point_mae(self, seed: int) -> dict:
        """Train Point-MAE and probe the student."""
        from mmdet3d_act.apis import train, validate

        cfg = self.point_mae_config(seed, self.args.point_mae_epochs)
        start = time.process_time()
        student = train(without_validation(cfg))
        seconds = time.process_time() - start
        return {**validate(cfg, student), 'stage2_seconds': seconds}

    def row(self, row: str, seed: int) -> dict:
        """Run a row for a seed."""
        if row == 'untrained':
            return self.untrained(seed)
        if row == 'point-mae':
            return self.point_mae(seed)
        teachers = {
            'act': {},
            'act-random-teacher': {'teacher.pretrained': False},
            'no-teacher': {'teacher': None},
        }
        return self.act(seed, row, teacher=teachers[row])


def prefixed(prefix: str, options: dict) -> dict:
    """Return options below a config key."""
    return {f'{prefix}.{key}': value for key, value in options.items()}


def epochs(number: int) -> dict:
    """Return the options that make a tiny training last so many epochs."""
    warmup = max(1, number // 20)
    return {
        'train_cfg.max_epochs': number,
        'train_cfg.val_interval': number,
        'param_scheduler.0.end': warmup,
        'param_scheduler.1.begin': warmup,
        'param_scheduler.1.end': number,
        'param_scheduler.1.T_max': max(1, number - warmup),
    }


def without_validation(cfg):  # noqa: ANN001, ANN201
    """Return the config without its probe, which follows the training."""
    cfg = cfg.copy()
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    return cfg


def cached(work_dir: str, make: Callable[[], str]) -> str:
    """Return the last checkpoint of a finished training, or train."""
    from mmdet3d_act.models.target_generators import find_checkpoint

    return find_checkpoint(work_dir) or make()


def print_table(results: dict[str, dict[str, dict]]) -> None:
    """Print mean and standard deviation of every row, as markdown."""
    names = list(METRICS.values())
    print(f'| row | {" | ".join(names)} | CPU seconds | seeds |')
    print('|---' * (len(names) + 3) + '|')
    for row, seeds in results.items():
        cells = []
        for key in METRICS:
            values = [metrics[key] for metrics in seeds.values()]
            cells.append(f'{np.mean(values):.1f} ± {np.std(values):.1f}')
        times = [
            sum(v for k, v in metrics.items() if k.endswith('_seconds'))
            for metrics in seeds.values()
        ]
        cells.append(f'{np.mean(times):.0f}')
        print(f'| {row} | {" | ".join(cells)} | {", ".join(seeds)} |')


def parse_args() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('study', choices=list(VARIANTS))
    parser.add_argument('--data', required=True, help='data root')
    parser.add_argument('--out')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--rows',
        nargs='+',
        default=[
            'untrained',
            'point-mae',
            'act',
            'act-random-teacher',
            'no-teacher',
        ],
    )
    parser.add_argument(
        '--point-mae-epochs',
        type=int,
        default=80,
        help='as many as take the CPU time of both stages of ACT',
    )
    parser.add_argument('--target-norm', default='whiten')
    parser.add_argument('--split', default='test', choices=['val', 'test'])
    parser.add_argument('--threads', type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Run what is missing, and print the table."""
    args = parse_args()
    os.environ['OMP_NUM_THREADS'] = str(args.threads)
    os.environ['ACT_DATA_ROOT'] = args.data
    import torch

    torch.set_num_threads(args.threads)
    study = Study(args)
    file = study.out / f'results_{args.split}_{args.target_norm}.json'
    results = json.loads(file.read_text()) if file.is_file() else {}
    for seed in args.seeds:
        for row in args.rows:
            if str(seed) in results.get(row, {}):
                continue
            metrics = study.row(row, seed)
            results = json.loads(file.read_text()) if file.is_file() else {}
            results.setdefault(row, {})[str(seed)] = metrics
            file.write_text(json.dumps(results, indent=1))
            print(row, seed, metrics, flush=True)
    print_table(results)


if __name__ == '__main__':
    main()
