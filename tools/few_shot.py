#!/usr/bin/env python
"""Few-shot classification over folds: all settings, mean and deviation.

python tools/few_shot.py configs/act/act_fewshot_modelnet40.py CHECKPOINT \
--way 5 10 --shot 10 20 --folds 10
python tools/few_shot.py configs/act/act_fewshot_modelnet40_linear.py \
act=work_dirs/act_pretrain_shapenet scratch

CHECKPOINT is that of a pretraining, a work directory or the word "scratch";
several are compared. The config says the protocol (FULL, MLP-LINEAR, MLP-3)
and the data: published folds or folds drawn with a seed. Run again, it goes
on where it stopped. Started several times at once, once for each GPU, the
processes share the trainings among them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import experiment_arguments as shared

if TYPE_CHECKING:
    from mmdet3d_act.apis.trials import Trial

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))

# A fold has as many classes as the setting says.
HEAD = 'model.head.num_classes'
# A larger head may predict a class that the fold does not have.
FOREIGN = 'val_evaluator.allow_foreign'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = shared.ExperimentArgumentParser(__doc__, keeps_checkpoints=False)
    parser.add_argument('config', help='config of a few-shot classification')
    parser.add_argument(
        'checkpoint',
        nargs='+',
        metavar='[NAME=]CHECKPOINT',
        help='file, work directory, "scratch"',
    )
    parser.add_argument(
        '--way', type=int, nargs='+', default=[5, 10], help='classes'
    )
    parser.add_argument(
        '--shot',
        type=int,
        nargs='+',
        default=[10, 20],
        help='training clouds of each class',
    )
    parser.add_argument(
        '--folds', type=int, default=10, help='folds of each setting'
    )
    parser.add_argument(
        '--fold-seed',
        type=int,
        help='seed of folds that are drawn; published ones have none',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the trainings'
    )
    parser.add_argument(
        '--keep-head',
        action='store_true',
        help="leave the config's head, which may have more classes than a "
        'fold; predictions of the others are wrong',
    )
    return parser.parse_args(argv)


def make_trials(args: argparse.Namespace) -> list[Trial]:
    """Return the trainings, a setting after the other."""
    from mmdet3d_act.apis.experiments import parse_starts
    from mmdet3d_act.apis.trials import Trial

    drawn = {} if args.fold_seed is None else dict(seed=args.fold_seed)
    own = args.cfg_options or {}
    heads = head_options(args)
    return [
        Trial(
            f'{start.name}/{way}way_{shot}shot/fold{fold}',
            args.config,
            seed=args.seed,
            start=start.checkpoint,
            options=own | heads[way],
            epochs=args.epochs,
            data=dict(way=way, shot=shot, fold=fold, **drawn),
            facts=dict(row=start.name, way=way, shot=shot, fold=fold),
        )
        for way in args.way
        for shot in args.shot
        for start in parse_starts(args.checkpoint)
        for fold in range(args.folds)
    ]


def head_options(args: argparse.Namespace) -> dict[int, dict]:
    """Return the options for head and metric, by the number of classes."""
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(args.config, args.cfg_options)
    launch.require(cfg, ['model'], args.config)
    size = (cfg.model.get('head') or {}).get('num_classes')
    if size is None:
        return {way: {} for way in args.way}
    if not args.keep_head:
        return {way: {HEAD: way} for way in args.way}
    if size < max(args.way):
        raise launch.UsageError(
            f'--keep-head: the head of {args.config} has {size} classes, '
            f'fewer than --way {max(args.way)}; enlarge it, as released by '
            f'--cfg-options {HEAD}=40'
        )
    metric = cfg.get('val_evaluator')
    known = (
        isinstance(metric, dict)
        and metric.get('type') == 'ClassificationMetric'
    )
    return {way: {FOREIGN: True} if known else {} for way in args.way}


def check_folds(trials: list[Trial], folder: Path) -> None:
    """Build the first fold of every setting, before anything is trained.

    Args:
        trials: All trainings.
        folder: That of the experiment.

    Raises:
        UsageError: If the data have too few classes or clouds for one.
    """
    from mmdet3d_act.apis.loading import build_dataset
    from mmdet3d_act.apis.trials import prepare_trial

    first = {
        (trial.data['way'], trial.data['shot']): trial
        for trial in reversed(trials)
    }
    for trial in reversed(first.values()):
        cfg = prepare_trial(trial, folder / trial.name)
        for part in ('train', 'val'):
            build_dataset(cfg, trial.config, part)


def run(args: argparse.Namespace) -> None:
    """Train what is not there yet, print and write the table."""
    from mmdet3d_act.evaluation.aggregation import markdown_table

    folder = shared.work_dir(args, 'few_shot')
    trials = make_trials(args)
    if not args.table:
        check_folds(trials, folder)
    runs = shared.records(args, trials, folder)
    metrics = shared.chosen_metrics(args, runs)
    table = [['start', 'setting', 'folds', 'metric', 'last', 'best epoch']]
    entries = []
    keyed = shared.groups(runs, lambda r: (r['row'], r['way'], r['shot']))
    for (row, way, shot), group in keyed.items():
        folds = [one['fold'] for one in group]
        for outcome in shared.outcomes(args, group, metrics):
            facts = dict(row=row, way=way, shot=shot, folds=folds)
            entries.append(facts | outcome.to_dict())
            setting = f'{way}-way {shot}-shot'
            spreads = [outcome.last, outcome.best]
            table.append([row, setting, len(folds), outcome.metric, *spreads])
    text = shared.with_legend(markdown_table(table), table[1][3])
    head = dict(
        config=args.config,
        checkpoints=args.checkpoint,
        seed=args.seed,
        fold_seed=args.fold_seed,
        keep_head=args.keep_head,
    )
    shared.write_results(folder, head, text, entries, runs)


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: run(args), kept=shared.KEPT)


if __name__ == '__main__':
    sys.exit(main())
