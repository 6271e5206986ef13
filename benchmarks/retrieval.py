#!/usr/bin/env python
"""Do clouds find their own images? Cross-validation on object_renders.

    python benchmarks/retrieval.py --data DIR
    python benchmarks/retrieval.py --data DIR --act CHECKPOINT --seeds 0 1 2
    python benchmarks/retrieval.py --data DIR --own-split --config \
        configs/concept/concept_pretrain_scannet_tiny.py
    python benchmarks/retrieval.py --data DIR --texts azure --act act-mini
    python benchmarks/retrieval.py --data DIR --table

Every object is held out once; with --own-split those of the config's own
validation are, such as the frames of other rooms. Of the held-out ones, a
cloud's prediction of its image's vector is compared with the vectors of all
held-out images: R@1 and R@5 say how often its own is the nearest, and among
the five nearest. With --texts NAME, texts of vectors/NAME.npz look for their
cloud too, and clouds for their text; no text is trained with. Rows:

- chance: guessing;
- untrained: nothing is trained;
- frozen-random: concepts and head are trained on a random student;
- frozen-act: the same on ACT's student (--act, its checkpoint or work
  directory; of configs/act/act_pretrain_shapenet_tiny.py or its like;
  {seed} in it stands for the seed, {fold} for the fold);
- concept: the student learns too, from random weights;
- concept-from-act: it begins as ACT's;
- teacher: with --texts, the vectors of the renders themselves.

Students of the three rows about ACT and of frozen-random have ACT's form.
Finished runs are not run again; other settings need another OUT. Means are
over folds and seeds, intervals are Student's t over the folds (of the
means over the seeds), with --own-split over the seeds.
"""

from __future__ import annotations

import argparse
import os
import sys
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from comparison import (
    ROOT,
    comparison_parser,
    last_metrics,
    run_comparison,
    say,
)

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch.utils.data import Dataset

    from mmdet3d_act.apis import Run

CONFIG = 'configs/concept/concept_pretrain_shapenet_tiny.py'
METRICS = {'recall_1': 'R@1', 'recall_5': 'R@5', 'median_rank': 'median rank'}
TEXT_METRICS = {
    'recall_1': 'R@1',
    'recall_5': 'R@5',
    'recall_10': 'R@10',
    'median_rank': 'median rank',
}
# Of a text that a person wrote, and of the mean of six by machines.
DIRECTIONS = {
    'text/query_to_shape_': 'query to shape',
    'text/shape_to_query_': 'shape to query',
    'text/caption_to_shape_': 'captions to shape',
    'text/shape_to_caption_': 'shape to captions',
}
ROWS = (
    'untrained',
    'frozen-random',
    'frozen-act',
    'concept',
    'concept-from-act',
)
PAIRS = (
    ('concept', 'untrained'),
    ('concept', 'frozen-random'),
    ('frozen-act', 'frozen-random'),
    ('concept-from-act', 'concept'),
    ('concept-from-act', 'untrained'),
)
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


def row_overrides(row: str) -> dict:
    """Overrides of a row."""
    if row == 'untrained':
        # Nothing was seen that targets could be normalised with.
        return {'model.objectives.concept.target_norm': None}
    if row == 'concept':
        return {}
    frozen = {'model.frozen_student': True} if 'frozen' in row else {}
    return {**ACT_FORM, **frozen}


def fold_overrides(
    cfg: Config, split: str, parts: list[list[int]], fold: int
) -> dict:
    """Train on all folds but one, which validation gets.

    Args:
        cfg: The config of concept distillation.
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
    targets = f'custom_hooks.{len(cfg.custom_hooks) - 1}.dataloader'
    overrides: dict = {}
    for loader, indices in (
        ('train_dataloader', others),
        ('val_dataloader', parts[fold]),
        (targets, others),
    ):
        overrides[f'{loader}.dataset.split'] = split
        overrides[f'{loader}.dataset.indices'] = indices
    return overrides


def text_file(name: str) -> str:
    """Return the path of vectors.

    Args:
        name: Of a file in ``object_renders/vectors``.
    """
    return f'{os.environ["ACT_DATA_ROOT"]}/object_renders/vectors/{name}.npz'


def text_overrides(name: str) -> dict:
    """Compare predictions with vectors of texts, too.

    Args:
        name: Of a file in ``object_renders/vectors``.
    """
    import text_retrieval  # noqa: F401 - registers the metric

    return {
        'model.predicts': ('targets', 'vectors'),
        'val_evaluator': [
            dict(type='RetrievalMetric'),
            dict(type='TextRetrievalMetric', texts=text_file(name)),
        ],
    }


def open_objects(args: argparse.Namespace, cfg: Config) -> Dataset:
    """Build the data set of all objects, as validation reads it."""
    from mmengine.registry import init_default_scope

    from mmdet3d_act.registry import DATASETS

    init_default_scope('mmdet3d')
    return DATASETS.build(dict(cfg.val_dataloader.dataset, split=args.split))


def make_runs(args: argparse.Namespace) -> list[Run]:
    """Return the runs of all rows, seeds and folds."""
    from mmdet3d_act.apis import Run
    from mmdet3d_act.engine import launch

    config = str(ROOT / args.config)
    cfg = launch.load_config(config, args.cfg_options)
    held_out: list[dict] = [{}]
    if not args.own_split:
        parts = folds(len(open_objects(args, cfg)), args.folds)
        held_out = [
            fold_overrides(cfg, args.split, parts, fold)
            for fold in range(args.folds)
        ]
    starts = {'frozen-random': 'scratch'}
    rows = args.rows or [
        row for row in ROWS if args.act or not row.endswith('act')
    ]
    return [
        Run(
            f'{row}_seed{seed}_fold{fold}',
            config,
            seed=seed,
            start=args.act.format(seed=seed, fold=fold)
            if row.endswith('act')
            else starts.get(row),
            overrides={
                'default_hooks.checkpoint.interval': 1000,
                **(args.cfg_options or {}),
                **row_overrides(row),
                **(text_overrides(args.texts) if args.texts else {}),
                **overrides,
            },
            epochs=0 if row == 'untrained' else args.epochs,
            metadata=dict(row=row, fold=fold),
        )
        for seed in args.seeds
        for row in rows
        for fold, overrides in enumerate(held_out)
    ]


def spread(values: list[float]) -> str:
    """Format the mean and its 95 % interval.

    Args:
        values: One of each fold, or of each seed.
    """
    from mmdet3d_act.evaluation.summary import interval

    half = interval(values)
    return f'{fmean(values):.1f}' + (f' ± {half:.1f}' if half else '')


def by_fold(records: list[dict], key: str) -> dict[int, float]:
    """Return a metric of each fold, the mean over the seeds.

    Args:
        records: Of a row. Where all are of one fold, the seeds take the place
            of the folds.
        key: The metric.
    """
    own_split = {record['fold'] for record in records} == {0}
    found: dict[int, list[float]] = {}
    for record in records:
        place = record['seed' if own_split else 'fold']
        found.setdefault(place, []).append(last_metrics(record)[key])
    return {place: fmean(found[place]) for place in sorted(found)}


def print_tables(records: list[dict], teacher: list[dict]) -> None:
    """Print every row, and what each has over others, for each direction.

    Args:
        records: Of all runs.
        teacher: What it reaches itself, for texts.
    """
    print_table(records, METRICS)
    for start, title in DIRECTIONS.items():
        if all(f'{start}recall_1' in last_metrics(one) for one in records):
            print(f'\n{title}:\n')
            names = {f'{start}{k}': v for k, v in TEXT_METRICS.items()}
            print_table(records + teacher, names, 'text/')


def print_table(records: list[dict], metrics: dict, prefix: str = '') -> None:
    """Print every row, and what each has over others.

    Args:
        records: Of all runs.
        metrics: Titles by their names.
        prefix: Of what guessing reaches.
    """
    rows: dict[str, list[dict]] = {}
    for record in records:
        rows.setdefault(record['row'], []).append(record)
    print(f'| row | {" | ".join(metrics.values())} | s |')
    print('|---' * (len(metrics) + 2) + '|')
    recalls = {k: v for k, v in metrics.items() if 'recall' in k}
    chance = [
        f'{fmean(by_fold(records, key).values()):.1f}'
        for key in (f'{prefix}chance_{k.rpartition("_")[2]}' for k in recalls)
    ]
    print(f'| chance | {" | ".join(chance)} | - | - |')
    for row, runs in rows.items():
        cells = [spread(list(by_fold(runs, key).values())) for key in metrics]
        seconds = fmean(run['seconds'] or 0.0 for run in runs)
        print(f'| {row} | {" | ".join(cells)} | {seconds:.0f} |')
    print()
    for first, second in PAIRS:
        if first in rows and second in rows:
            gaps = []
            for key, title in recalls.items():
                one, two = (
                    by_fold(rows[first], key),
                    by_fold(rows[second], key),
                )
                common = sorted(one.keys() & two.keys())
                gap = spread([one[fold] - two[fold] for fold in common])
                gaps.append(f'{title} {gap}')
            print(f'- {first} minus {second}: {", ".join(gaps)}')


def parse_args() -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = comparison_parser(__doc__, 'work_dirs/retrieval')
    parser.set_defaults(seeds=[0])
    add = parser.add_argument
    add('--config', default=CONFIG)
    add('--split', default='trainval', help='all objects')
    add('--texts', metavar='NAME', help='such as azure')
    add('--rows', nargs='+', choices=ROWS)
    add('--act', help="ACT's checkpoint or work directory")
    add('--folds', type=int, default=5)
    add(
        '--own-split',
        action='store_true',
        help="hold out the config's own validation, instead of folds",
    )
    add('--epochs', type=int, default=100)
    add('--cfg-options', nargs='+', metavar='KEY=VALUE')
    args = parser.parse_args()
    if not args.act and any(row.endswith('act') for row in args.rows or ()):
        parser.error("rows that start from ACT's student need --act")
    if args.cfg_options:
        from mmengine.config import DictAction

        options = argparse.ArgumentParser()
        options.add_argument('--options', nargs='+', action=DictAction)
        given = options.parse_args(['--options', *args.cfg_options])
        args.cfg_options = given.options
    return args


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, and print the table."""
    from mmdet3d_act.apis import sweep
    from mmdet3d_act.apis.sweeping import read_records

    runs = make_runs(args)
    if not args.table:
        sweep(runs, args.out, report=say)
    teacher = []
    if args.texts and not args.own_split:
        from text_retrieval import teacher_records

        from mmdet3d_act.engine import launch

        config = str(ROOT / args.config)
        objects = open_objects(args, launch.load_config(config))
        keys = [
            objects[i]['data_samples'].pair_key for i in range(len(objects))
        ]
        parts = folds(len(keys), args.folds)
        held_out = [[keys[i] for i in part] for part in parts]
        teacher = teacher_records(text_file(args.texts), held_out)
    print_tables(read_records(runs, args.out), teacher)


if __name__ == '__main__':
    sys.exit(run_comparison(compare, parse_args()))
