#!/usr/bin/env python
"""Do clouds find their own images? Cross-validation on object_renders.

    python benchmarks/retrieval.py --data DIR
    python benchmarks/retrieval.py --data DIR --act CHECKPOINT --seeds 0 1 2
    python benchmarks/retrieval.py --data DIR --own-split --config \
        configs/concept/concept_pretrain_scannet_tiny.py
    python benchmarks/retrieval.py --data DIR --table

Every object is held out once; with --own-split those of the config's own
validation are, such as the frames of other rooms. Of the held-out ones, a
cloud's prediction of its image's vector is compared with the vectors of all
held-out images: R@1 and R@5 say how often its own is the nearest, and among
the five nearest. Rows:

- chance: guessing;
- untrained: nothing is trained;
- frozen-random: concepts and head are trained on a random student;
- frozen-act: the same on ACT's student (--act, its checkpoint or work
  directory; of configs/act/act_pretrain_shapenet_tiny.py or its like;
  {seed} in it stands for the seed, {fold} for the fold);
- concept: the student learns too, from random weights;
- concept-from-act: it begins as ACT's.

Students of the three rows about ACT and of frozen-random have ACT's form. What
a row has done is kept in OUT/results.json and is not run again; other settings
(config, data, split, folds, epochs, ACT's checkpoint) need another OUT. Means
are over folds and seeds, intervals are Student's t over the folds (of the
means over the seeds), with --own-split over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmengine.config import DictAction

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONFIG = 'configs/concept/concept_pretrain_shapenet_tiny.py'
METRICS = {'recall_1': 'R@1', 'recall_5': 'R@5', 'median_rank': 'median rank'}
ROWS = (
    'untrained',
    'frozen-random',
    'frozen-act',
    'concept',
    'concept-from-act',
)
SETTINGS = ('config', 'data', 'split', 'folds', 'epochs', 'act', 'options')
STUDENT = 'model.student'
# Of ACT, whose weights mean another thing otherwise.
ACT_FORM = {f'{STUDENT}.position': 'before', f'{STUDENT}.with_cls_token': True}


def folds(count: int, number: int) -> list[list[int]]:
    """Return which samples are held out in each fold, each once.

    Args:
        count: Number of samples.
        number: Number of folds.
    """
    order = np.random.default_rng(0).permutation(count)
    return [sorted(part.tolist()) for part in np.array_split(order, number)]


def row_options(row: str, act: str | None) -> dict:
    """Return the options of the config that make a row.

    Args:
        row: Name of the row.
        act: ACT's checkpoint or work directory.

    Raises:
        ValueError: If the row needs ACT's and there is none.
    """
    options = {}
    if row in ('untrained', 'concept'):
        return options
    options.update(ACT_FORM)
    if row.startswith('frozen'):
        options['model.frozen_student'] = True
    if row.endswith('act'):
        if act is None:
            raise ValueError(f'the row {row} needs --act CHECKPOINT')
        options[f'{STUDENT}.init_cfg'] = {
            'type': 'Pretrained',
            'checkpoint': act,
        }
    return options


class CrossValidation:
    """Runs the rows.

    Args:
        args: The command line's arguments.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.out = Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)

    def held_out(self) -> list[list[int] | None]:
        """Return the samples of each fold; None: the config's validation."""
        if self.args.own_split:
            return [None]
        from mmengine.config import Config
        from mmengine.registry import init_default_scope

        from mmdet3d_act.registry import DATASETS

        cfg = Config.fromfile(ROOT / self.args.config)
        init_default_scope('mmdet3d')
        dataset = dict(cfg.val_dataloader.dataset)
        dataset['split'] = self.args.split
        return folds(len(DATASETS.build(dataset)), self.args.folds)

    def config(self, row: str, seed: int, parts: list, fold: int) -> Config:
        """Return the config of a row and fold."""
        from mmdet3d_act.apis import prepare_config

        def adapt(cfg: Config) -> None:
            if parts[fold] is not None:
                choose_samples(cfg, self.args.split, parts, fold)
            cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
            if row == 'untrained':
                # Nothing was seen that targets could be normalised with.
                cfg.model.objectives.concept.target_norm = None

        epochs, act = self.args.epochs, self.args.act
        if act is not None:
            act = act.format(seed=seed, fold=fold)
        return prepare_config(
            str(ROOT / self.args.config),
            str(self.out / f'{row}_seed{seed}_fold{fold}'),
            seed=seed,
            options={
                'log_level': 'WARNING',
                'default_hooks.checkpoint.interval': 1000,
                'train_cfg.max_epochs': epochs,
                'train_cfg.val_interval': epochs,
                'param_scheduler.1.end': epochs,
                'param_scheduler.1.T_max': max(1, epochs - 2),
                **(self.args.cfg_options or {}),
                **row_options(row, act),
            },
            adapt=adapt,
        )

    def run(self, row: str, seed: int, parts: list, fold: int) -> dict:
        """Train and score a row on a fold.

        Returns:
            Recalls of the fold by name, and seconds of the CPU.
        """
        from mmdet3d_act.apis import train, validate

        cfg = self.config(row, seed, parts, fold)
        start = time.process_time()
        checkpoint = None
        if row != 'untrained':
            training = cfg.copy()
            training.val_dataloader = None
            training.val_cfg = training.val_evaluator = None
            checkpoint = train(training)
        metrics = validate(cfg, checkpoint)
        return {**metrics, 'seconds': time.process_time() - start}


def choose_samples(cfg: Config, split: str, parts: list, fold: int) -> None:
    """Train on all folds but one, which validation gets.

    Args:
        cfg: A config of concept distillation, changed in place.
        split: Of the data set, all samples.
        parts: The samples of each fold.
        fold: The one that is held out.
    """
    others = sorted(
        index
        for number, part in enumerate(parts)
        if number != fold
        for index in part
    )
    for loader, indices in (
        (cfg.train_dataloader, others),
        (cfg.val_dataloader, parts[fold]),
        (cfg.custom_hooks[-1].dataloader, others),
    ):
        loader.dataset.split = split
        loader.dataset.indices = indices


def interval(values: list[float]) -> str:
    """Return the mean and its 95 % interval.

    Args:
        values: One of each fold, or of each seed.
    """
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return f'{mean:.1f}'
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f'{mean:.1f} ± {half:.1f}'


def by_fold(runs: dict[str, dict], key: str) -> dict[int, float]:
    """Return a metric of each fold, the mean over the seeds.

    Args:
        runs: Metrics by 'SEED/FOLD'. Where all are of one fold, the seeds
            take the place of the folds.
        key: The metric.
    """
    found: dict[int, list[float]] = {}
    places = [tuple(map(int, name.split('/'))) for name in runs]
    own_split = {fold for _, fold in places} == {0}
    for (seed, fold), metrics in zip(places, runs.values(), strict=True):
        found.setdefault(seed if own_split else fold, []).append(metrics[key])
    return {fold: float(np.mean(found[fold])) for fold in sorted(found)}


def settings_of(args: argparse.Namespace) -> dict:
    """Return what decides the results besides row, seed and fold.

    Args:
        args: The command line's arguments.
    """
    settings = {name: getattr(args, name) for name in SETTINGS[:-1]}
    if args.own_split:
        settings.update(split='own', folds=1)
    settings['options'] = args.cfg_options or {}
    settings['data'] = str(Path(args.data).resolve())
    return settings


def check_settings(stored: dict, wanted: dict, file: Path) -> dict:
    """Return the settings of all results, old and new.

    Args:
        stored: What the results have been made with; empty without results.
        wanted: What is asked for.
        file: The results.

    Raises:
        ValueError: If they differ. ACT's checkpoint may come later: no row
            has been made with another one then.
    """
    known = {**wanted, **stored}
    known = {k: wanted[k] if v is None else v for k, v in known.items()}
    if wanted['act'] is None:
        wanted = {**wanted, 'act': known['act']}
    faults = [
        f'{name} {known[name]!r} instead of {value!r}'
        for name, value in wanted.items()
        if known[name] != value
    ]
    if faults:
        raise ValueError(
            f'{file} has results of other settings: {", ".join(faults)}; '
            'choose another --out, or delete it'
        )
    return known


def print_table(results: dict[str, dict[str, dict]]) -> None:
    """Print every row, and what each has over the untrained one.

    Args:
        results: Metrics by row and by 'SEED/FOLD'.
    """
    if not results:
        print('nothing was run yet')
        return
    print(f'| row | {" | ".join(METRICS.values())} | CPU s |')
    print('|---' * (len(METRICS) + 2) + '|')
    some = next(iter(results.values()))
    chance = [
        f'{np.mean(list(by_fold(some, key).values())):.1f}'
        for key in ('chance_1', 'chance_5')
    ]
    print(f'| chance | {" | ".join(chance)} | - | - |')
    for row in (name for name in ROWS if name in results):
        runs = results[row]
        cells = [
            interval(list(by_fold(runs, key).values())) for key in METRICS
        ]
        seconds = np.mean([run['seconds'] for run in runs.values()])
        print(f'| {row} | {" | ".join(cells)} | {seconds:.0f} |')
    print()
    for first, second in (
        ('concept', 'untrained'),
        ('concept', 'frozen-random'),
        ('frozen-act', 'frozen-random'),
        ('concept-from-act', 'concept'),
    ):
        if first in results and second in results:
            gaps = []
            for key in ('recall_1', 'recall_5'):
                one = by_fold(results[first], key)
                two = by_fold(results[second], key)
                common = sorted(one.keys() & two.keys())
                gap = interval([one[fold] - two[fold] for fold in common])
                gaps.append(f'{METRICS[key]} {gap}')
            print(f'- {first} minus {second}: {", ".join(gaps)}')


def parse_args() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--data', required=True, help='data root')
    parser.add_argument('--out', default='work_dirs/retrieval')
    parser.add_argument('--config', default=CONFIG)
    parser.add_argument('--split', default='trainval', help='all objects')
    parser.add_argument('--rows', nargs='+', default=None, choices=ROWS)
    parser.add_argument('--act', help="ACT's checkpoint or work directory")
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--folds', type=int, default=5)
    parser.add_argument(
        '--own-split',
        action='store_true',
        help="hold out the config's own validation, instead of folds",
    )
    parser.add_argument('--epochs', type=int, default=100)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='KEY=VALUE, replaces values of the config',
    )
    parser.add_argument(
        '--table', action='store_true', help='print what is there, run nothing'
    )
    return parser.parse_args()


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, and print the table."""
    from mmdet3d_act.engine.failures import UsageError

    os.environ['OMP_NUM_THREADS'] = str(args.threads)
    os.environ['ACT_DATA_ROOT'] = args.data
    file = Path(args.out) / 'results.json'
    if not args.table:
        import torch

        torch.set_num_threads(args.threads)
        try:
            stored, _ = read_results(file)
            settings = check_settings(stored, settings_of(args), file)
        except ValueError as error:
            raise UsageError(str(error)) from error
        study = CrossValidation(args)
        rows = args.rows or [
            row for row in ROWS if args.act or not row.endswith('act')
        ]
        parts = study.held_out()
        for seed in args.seeds:
            for row in rows:
                for fold in range(len(parts)):
                    name = f'{seed}/{fold}'
                    if name in read_results(file)[1].get(row, {}):
                        continue
                    metrics = study.run(row, seed, parts, fold)
                    _, results = read_results(file)
                    results.setdefault(row, {})[name] = metrics
                    content = {'settings': settings, 'rows': results}
                    file.write_text(json.dumps(content, indent=1))
                    print(row, name, metrics, flush=True)
    print_table(read_results(file)[1])


def read_results(file: Path) -> tuple[dict, dict[str, dict[str, dict]]]:
    """Return settings and rows that are there; both empty without a file.

    Args:
        file: The results.

    Raises:
        ValueError: If they do not say their settings.
    """
    if not file.is_file():
        return {}, {}
    content = json.loads(file.read_text())
    if not isinstance(content, dict) or content.keys() != {'settings', 'rows'}:
        raise ValueError(
            f'{file} does not say with which settings it was made; choose '
            'another --out, or delete it'
        )
    return content['settings'], content['rows']


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: compare(args), kept='folds that are done are kept')


if __name__ == '__main__':
    sys.exit(main())
