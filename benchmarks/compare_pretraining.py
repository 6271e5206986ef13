#!/usr/bin/env python
"""Compare teachers and ways of pretraining, over seeds: docs/results.md.

    python benchmarks/compare_pretraining.py procscan --data DIR
    python benchmarks/compare_pretraining.py real --data DIR --seeds 0 1 2
    python benchmarks/compare_pretraining.py real --data DIR --table

`procscan` reads what tools/dataset_converters/make_synthetic_shapes.py wrote,
`real` a data root with ShapeNet55-34 and real_shapes. A row is `untrained`,
`point-mae`, `no-teacher`, or a teacher, `vit-tiny` or `minilm`, perhaps with
`-random` for the same Transformer randomly initialised; `+NAME` changes one
thing, see ABLATIONS. Every row is kept in OUT/results_SPLIT.json; what is
there is not run again. Seconds are those of the CPU, one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmengine.config import Config
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

GENERATOR = 'model.objectives.act.target_generator.generator'
NORM = 'model.objectives.act.target_norm'
METRICS = {
    'svm_accuracy': 'linear SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': 'few labels',
}
PROMPTED = {'num_layers': 3, 'num_prompts': 16, 'prompt_mode': 'deep'}
TEACHERS: dict[str, dict | None] = {
    'no-teacher': None,
    'vit-tiny': {
        '_delete_': True,
        'type': 'TimmTeacher',
        'model_name': 'vit_tiny_patch16_224.augreg_in21k_ft_in1k',
        'weights': 'vit_tiny_patch16_224.pth',
        **PROMPTED,
    },
    'minilm': {
        '_delete_': True,
        'type': 'LanguageTeacher',
        'model': 'all-MiniLM-L6-v2',
        **PROMPTED,
    },
}


NOTHING: Mapping = MappingProxyType({})


class Ablation(NamedTuple):
    """What a row changes.

    Attributes:
        teacher: Settings of the teacher; such a row trains a stage I of its
            own, as one with another weight of the KL loss does.
        stage2: Options of stage II's config.
        kl_weight: Last weight of the KL loss of stage I; None for the
            study's.
    """

    teacher: Mapping = NOTHING
    stage2: Mapping = NOTHING
    kl_weight: float | None = None


ABLATIONS = {
    'raw': Ablation(stage2={f'{NORM}.mode': 'raw'}),
    'standardize': Ablation(stage2={f'{NORM}.mode': 'standardize'}),
    'local': Ablation(stage2={f'{GENERATOR}.local': True}),
    'blocks-1': Ablation(teacher={'num_layers': 1}),
    'blocks-6': Ablation(teacher={'num_layers': 6}),
    'no-prompts': Ablation(teacher={'num_prompts': 0}),
    'kl-0.1': Ablation(kl_weight=0.1),
}


class Setting(NamedTuple):
    """How a study runs.

    Attributes:
        stage1: Config of stage I.
        stage2: Config of stage II.
        probe: Folder of the labelled clouds.
        labels: Labels per class of the last probe.
        epochs: Of stage I, of stage II, and of Point-MAE.
        lr: Learning rate of stage I.
        kl_weight: Last weight of the KL loss.
    """

    stage1: str
    stage2: str
    probe: str
    labels: int
    epochs: tuple[int, int, int]
    lr: float = 1e-3
    kl_weight: float = 0.01


SETTINGS = {
    'procscan': Setting(
        'act/act_dvae_shapenet_demo.py',
        'act/act_pretrain_shapenet_demo.py',
        'procscan',
        10,
        (12, 60, 100),
    ),
    # Some real classes have four clouds.
    'real': Setting(
        'act/act_dvae_shapenet_tiny.py',
        'act/act_pretrain_shapenet_tiny.py',
        'real_shapes',
        3,
        (12, 60, 100),
    ),
}


def schedule(epochs: int, warmup: int) -> dict:
    """Return the options that make a tiny training last so many epochs."""
    return {
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': epochs,
        'param_scheduler.0.end': warmup,
        'param_scheduler.1.begin': warmup,
        'param_scheduler.1.end': epochs,
        'param_scheduler.1.T_max': epochs - warmup,
    }


class Study:
    """Runs the rows of a table.

    Args:
        args: The command line's arguments.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.setting = SETTINGS[args.study]
        self.out = Path(args.out or f'work_dirs/compare_{args.study}')
        self.out.mkdir(parents=True, exist_ok=True)

    def config(
        self,
        name: str,
        seed: int,
        folder: str,
        options: dict,
        *,
        kl_weight: float | None = None,
    ) -> Config:
        """Return a config whose probe scores the wanted split."""
        from mmdet3d_act.apis import prepare_config

        def adapt(cfg: Config) -> None:
            if 'LinearProbeMetric' in str(cfg.get('val_evaluator')):
                parts = cfg.val_dataloader['dataset']['datasets']
                for part in parts:
                    part['data_root'] = str(
                        Path(self.args.data) / self.setting.probe
                    )
                parts[1]['split'] = self.args.split
            else:
                cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
            for hook in cfg.custom_hooks:
                if hook.get('attribute') == 'kl_weight':
                    hook['schedule']['end'] = kl_weight
            cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None

        return prepare_config(
            str(ROOT / 'configs' / name),
            str(self.out / f'{folder}_seed{seed}'),
            seed=seed,
            amp=True,
            options={
                'log_level': 'WARNING',
                'default_hooks.checkpoint.interval': 1000,
                **options,
            },
            adapt=adapt,
        )

    @property
    def probe(self) -> dict:
        """Options of the probe."""
        return {
            'val_evaluator.knn': 20,
            'val_evaluator.labels_per_class': self.setting.labels,
            'val_evaluator.C_grid': (0.001, 0.01, 0.1),
        }

    def act(self, row: str, seed: int) -> dict:
        """Train both stages and probe the student."""
        from mmdet3d_act.apis import train, validate
        from mmdet3d_act.checkpoint import find_checkpoint

        name, _, changes = row.partition('+')
        ablation = ABLATIONS[changes] if changes else Ablation()
        teacher = teacher_config(name, ablation.teacher)
        kl_weight = ablation.kl_weight or self.setting.kl_weight
        own_stage1 = ablation.teacher or ablation.kl_weight
        epochs1, epochs2, _ = self.setting.epochs
        stage1 = self.config(
            self.setting.stage1,
            seed,
            f'{row if own_stage1 else name}_stage1',
            {
                'model.teacher': teacher,
                'optim_wrapper.optimizer.lr': self.setting.lr,
                **schedule(epochs1, 1),
            },
            kl_weight=kl_weight,
        )
        times = [time.process_time()]
        autoencoder = find_checkpoint(stage1.work_dir) or train(stage1)
        times.append(time.process_time())
        stage2 = self.config(
            self.setting.stage2,
            seed,
            f'{row}_stage2',
            {
                f'{GENERATOR}.autoencoder.teacher': teacher,
                f'{GENERATOR}.checkpoint': autoencoder,
                **self.probe,
                **schedule(epochs2, 2),
                **ablation.stage2,
            },
        )
        student = train(without_validation(stage2))
        times.append(time.process_time())
        return {
            **validate(stage2, student),
            **target_facts(stage2),
            'stage1_seconds': times[1] - times[0],
            'stage2_seconds': times[2] - times[1],
        }

    def point_mae(self, seed: int, epochs: int) -> dict:
        """Train Point-MAE for some epochs, perhaps 0, and probe it."""
        from mmdet3d_act.apis import train, validate

        cfg = self.config(
            'point-mae/point-mae_pretrain_shapenet_tiny.py',
            seed,
            'point-mae',
            {
                'model.student.with_cls_token': True,
                **self.probe,
                **schedule(max(3, epochs), 2),
            },
        )
        start = time.process_time()
        student = train(without_validation(cfg)) if epochs else None
        seconds = time.process_time() - start
        return {**validate(cfg, student), 'stage2_seconds': seconds}

    def run(self, row: str, seed: int) -> dict:
        """Run a row for a seed."""
        if row == 'untrained':
            return self.point_mae(seed, 0)
        if row == 'point-mae':
            return self.point_mae(seed, self.setting.epochs[2])
        return self.act(row, seed)


def teacher_config(name: str, changes: Mapping) -> dict | None:
    """Return the config of a teacher, given the first part of a row."""
    base = TEACHERS[name.removesuffix('-random')]
    if base is None:
        return None
    if name.endswith('-random'):
        changes = {**changes, 'pretrained': False}
    return {**base, **changes}


def without_validation(cfg: Config) -> Config:
    """Return the config without its probe, which follows the training."""
    cfg = cfg.copy()
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    return cfg


def target_facts(cfg: Config) -> dict[str, float]:
    """Return what the targets of a stage II are like.

    Args:
        cfg: Config of stage II.

    Returns:
        ``target_cosine``: mean cosine of a raw target to the mean target, 1
        where all are the same; ``position_share``: share of the whitened
        targets' variance that a quadratic function of the patch centres
        explains; ``position_share_raw``: the same of the raw ones.
    """
    import torch
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    from mmdet3d_act.models.target_generators import TargetNorm
    from mmdet3d_act.registry import MODELS

    init_default_scope('mmdet3d')
    model = MODELS.build(cfg.model)
    generator = model.objectives['act'].target_generator.generator
    generator.init_weights()
    hook = next(h for h in cfg.custom_hooks if 'dataloader' in h)
    targets, centers = [], []
    with torch.no_grad():
        for batch in Runner.build_dataloader(hook['dataloader'], seed=0):
            inputs = model.data_preprocessor(batch)['inputs']
            patches = model.student.group(**inputs)
            targets.append(generator(inputs, patches))
            centers.append(patches.centers)
    target = torch.cat(targets).flatten(0, 1).double()
    center = torch.cat(centers).flatten(0, 1).double()
    norm = TargetNorm('whiten', target.shape[1]).double()
    norm.fit([target[None]])
    white = (target - norm.mean) @ norm.transform
    mean = target.mean(dim=0, keepdim=True)
    cosine = torch.nn.functional.cosine_similarity(target, mean).mean()
    return {
        'target_cosine': float(cosine),
        'position_share': explained(center, white),
        'position_share_raw': explained(center, target - mean),
    }


def explained(center: Tensor, target: Tensor) -> float:
    """Return the share of variance that a quadratic of (S, 3) explains."""
    import torch

    x, y, z = center.unbind(dim=-1)
    products = [x * x, y * y, z * z, x * y, x * z, y * z]
    design = torch.stack([torch.ones_like(x), x, y, z, *products], dim=1)
    fit = design @ torch.linalg.lstsq(design, target).solution
    return float(1 - (target - fit).square().sum() / target.square().sum())


def cell(values: list[float]) -> str:
    """Return mean and standard deviation over the seeds, if several."""
    spread = f' ± {np.std(values, ddof=1):.1f}' if len(values) > 1 else ''
    return f'{np.mean(values):.1f}{spread}'


def difference(first: dict, second: dict, key: str) -> str:
    """Return the mean paired difference of two rows with its interval.

    Args:
        first: Metrics of a row by seed.
        second: Those of the row that is subtracted.
        key: The metric.

    Returns:
        Mean and 95 % interval of Student's t over the common seeds.
    """
    from scipy import stats

    seeds = sorted(first.keys() & second.keys())
    gaps = [first[seed][key] - second[seed][key] for seed in seeds]
    if len(gaps) < 2:
        return 'one seed'
    half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    return f'{np.mean(gaps):+.1f} [{np.mean(gaps) - half:+.1f}, ' + (
        f'{np.mean(gaps) + half:+.1f}]'
    )


def print_table(results: dict[str, dict[str, dict]]) -> None:
    """Print every row, and pretrained minus random teachers, as markdown."""
    names = list(METRICS.values())
    print(f'| row | {" | ".join(names)} | of each seed | position | CPU s |')
    print('|---' * (len(names) + 4) + '|')
    for row, seeds in results.items():
        runs = [seeds[seed] for seed in sorted(seeds, key=int)]
        cells = [cell([run[key] for run in runs]) for key in METRICS]
        cells.append(', '.join(f'{run["svm_accuracy"]:.1f}' for run in runs))
        share = [run.get('position_share', np.nan) for run in runs]
        cells.append(f'{np.mean(share):.2f}')
        seconds = [
            sum(run.get(f'stage{i}_seconds', 0) for i in (1, 2))
            for run in runs
        ]
        cells.append(f'{max(seconds):.0f}')
        print(f'| {row} | {" | ".join(cells)} |')
    print()
    for first, second in comparisons(list(results)):
        pair = results[first], results[second]
        gaps = [
            f'{label} {difference(*pair, key)}'
            for key, label in METRICS.items()
        ]
        print(f'- {first} minus {second}: {"; ".join(gaps)}')


def comparisons(rows: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of rows whose difference says something.

    Args:
        rows: Names of rows.

    Returns:
        A teacher and the same one randomly initialised, a teacher and none,
        no teacher and no training, a changed row and the unchanged one, and
        the same change of a randomly initialised teacher.
    """
    pairs = []
    for row in rows:
        name, plus, _ = row.partition('+')
        if plus:
            change = row.removeprefix(name)
            pairs += [(row, name), (row, f'{name}-random{change}')]
        elif row == 'no-teacher':
            pairs.append((row, 'untrained'))
        elif name in TEACHERS or name.removesuffix('-random') in TEACHERS:
            pairs += [(row, f'{row}-random'), (row, 'no-teacher')]
    return [pair for pair in pairs if pair[1] in rows]


def parse_args() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('study', choices=list(SETTINGS))
    parser.add_argument('--data', required=True, help='data root')
    parser.add_argument('--out')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--rows',
        nargs='+',
        default=[
            'untrained',
            'point-mae',
            'vit-tiny',
            'vit-tiny-random',
            'minilm',
            'minilm-random',
            'no-teacher',
        ],
    )
    parser.add_argument('--split', default='test', choices=['val', 'test'])
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--table', action='store_true', help='run nothing')
    return parser.parse_args()


def read_results(file: Path) -> dict[str, dict[str, dict]]:
    """Return the rows that are there."""
    return json.loads(file.read_text()) if file.is_file() else {}


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, and print the table."""
    os.environ['OMP_NUM_THREADS'] = str(args.threads)
    os.environ['ACT_DATA_ROOT'] = args.data
    import torch

    torch.set_num_threads(args.threads)
    study = Study(args)
    file = study.out / f'results_{args.split}.json'
    pairs = [(seed, row) for seed in args.seeds for row in args.rows]
    for seed, row in [] if args.table else pairs:
        if str(seed) in read_results(file).get(row, {}):
            continue
        metrics = study.run(row, seed)
        results = read_results(file)
        results.setdefault(row, {})[str(seed)] = metrics
        file.write_text(json.dumps(results, indent=1))
        print(row, seed, metrics, flush=True)
    print_table(read_results(file))


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: compare(args), kept='the same command goes on')


if __name__ == '__main__':
    sys.exit(main())
