#!/usr/bin/env python
"""What is learned shows on held-out furniture: docs/results.md.

    python tools/dataset_converters/sweethome3d.py PACKAGE DIR
    python benchmarks/compare_furniture.py teachers --data DIR
    python benchmarks/compare_furniture.py students --data DIR \
        --starts act-mini demo=work_dirs/act_pretrain_shapenet_demo
    python benchmarks/compare_furniture.py colors --data DIR --epochs 40

`teachers`: concept distillation on renders with an image model as the teacher
(EfficientNet-Lite0 of ImageNet), with the same model randomly initialised, and
reconstruction without one: the same student, clouds, steps and seeds.
`students`: students of ACT as they are, nothing is trained; the seeds draw the
few labels, and the weights of the untrained one.
`colors`: Point-MAE, whose student sees coordinates alone, or the colours of
the materials too, which are dropped for a third of the clouds; the latter is
also probed without colours.
Probes are fitted to the labelled clouds for training and scored on held-out
objects. Finished runs are not run again. OUT/results.png shows every run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from comparison import (
    cell,
    comparison_parser,
    config_file,
    difference,
    draw_rows,
    last_metrics,
    run_comparison,
    say,
)

if TYPE_CHECKING:
    from mmdet3d_act.apis import Run

METRICS = {
    'svm_accuracy': 'linear SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': '5 labels per class',
}
CONCEPT = 'concept/concept_pretrain_shapenet_images-tiny'
RECONSTRUCTION = 'concept/concept_pretrain_shapenet_reconstruction-tiny'
ENCODER = 'model.objectives.concept.target_generator.generator.encoder'
TEACHERS: dict[str, tuple[str, dict]] = {
    'untrained': (CONCEPT, {}),
    'reconstruction': (RECONSTRUCTION, {}),
    'random teacher': (CONCEPT, {f'{ENCODER}.pretrained': False}),
    'pretrained teacher': (CONCEPT, {}),
}
POINT_MAE = 'point-mae/point-mae_pretrain_shapenet_tiny'
# As the students of ACT are, probed as in the other study.
STUDENT = {
    'model.student.with_cls_token': True,
    'val_evaluator.C_grid': (0.001, 0.01, 0.1),
    'val_evaluator.knn': 20,
    'val_evaluator.labels_per_class': 5,
}
SPLIT = {'train_dataloader.dataset.split': 'train'}
# Where clouds are read for the probe; .npy files do not name their columns.
PROBED = [
    f'val_dataloader.dataset.datasets.{part}.static_pipeline.0.'
    for part in (0, 1)
]
COLORLESS = {
    'model.student.in_channels': 6,
    **{f'{part}features': ['color'] for part in PROBED},
}
READ = ['train_dataloader.dataset.static_pipeline.0.', *PROBED]
COLORS = {
    'model.student.in_channels': 6,
    **{f'{part}features': ['color'] for part in READ},
    **{f'{part}columns': ['red', 'green', 'blue'] for part in READ},
    'train_dataloader.dataset.pipeline': [
        dict(type='RandomFeatureDropout', features=['color']),
        dict(
            type='RandomPointScaleShift',
            scale_range=(2 / 3, 3 / 2),
            shift_range=0.2,
        ),
        dict(type='PackPointInputs'),
    ],
}


def parse_args() -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = comparison_parser(__doc__, 'work_dirs/compare_furniture')
    parser.set_defaults(seeds=[0, 1, 2, 3, 4])
    parser.add_argument('study', choices=['teachers', 'students', 'colors'])
    parser.add_argument('--epochs', type=int, default=20, help='(default: 20)')
    parser.add_argument('--starts', nargs='+', default=['act-mini'])
    args = parser.parse_args()
    args.out = args.out / args.study
    return args


def list_rows(
    args: argparse.Namespace, seed: int
) -> Iterator[tuple[str, str, str | None, dict, int]]:
    """List row, config, start, overrides and epochs of the runs of a seed."""
    if args.study == 'teachers':
        for row, (config, overrides) in TEACHERS.items():
            epochs = 0 if row == 'untrained' else args.epochs
            yield row, config, None, overrides, epochs
    elif args.study == 'students':
        for start in ['untrained=scratch', *args.starts]:
            name, _, path = start.rpartition('=')
            yield name or Path(path).name, POINT_MAE, path, STUDENT, 0
    else:
        common = {**STUDENT, **SPLIT}
        rows = {'no colors': common, 'colors': common | COLORS}
        for row, overrides in rows.items():
            yield row, POINT_MAE, None, overrides, args.epochs
        start = str(args.out / f'colors_seed{seed}')
        asked = 'colors, asked without'
        yield asked, POINT_MAE, start, common | COLORLESS, 0


def make_runs(args: argparse.Namespace) -> list[Run]:
    """List the runs of a study, by seed."""
    from mmdet3d_act.apis import Run

    return [
        Run(
            f'{row.replace(" ", "-")}_seed{seed}',
            config_file(config),
            seed=seed,
            start=start,
            overrides={'val_evaluator.seed': seed, **overrides},
            epochs=epochs,
            metadata=dict(row=row),
        )
        for seed in args.seeds
        for row, config, start, overrides, epochs in list_rows(args, seed)
    ]


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, print the tables, draw the picture."""
    from mmdet3d_act.apis import sweep
    from mmdet3d_act.apis.sweeping import read_records

    runs = make_runs(args)
    if not args.table:
        keep = args.study == 'colors'
        # What is only probed may start from what is trained before.
        for group in ([run for run in runs if run.epochs], runs):
            sweep(group, args.out, amp=True, keep_checkpoints=keep, report=say)
    results: dict[str, dict[int, dict]] = {}
    seconds: dict[str, float] = {}
    for record in read_records(runs, args.out):
        row = record['row']
        results.setdefault(row, {})[record['seed']] = last_metrics(record)
        seconds[row] = max(seconds.get(row, 0), record['seconds'] or 0)
    print(f'| start | {" | ".join(METRICS.values())} | s |')
    print('|---' * (len(METRICS) + 2) + '|')
    for row, found in results.items():
        cells = [cell([run[key] for run in found.values()]) for key in METRICS]
        print(f'| {row} | {" | ".join(cells)} | {seconds[row]:.0f} |')
    print(f'\n| difference | {" | ".join(METRICS.values())} |')
    print('|---' * (len(METRICS) + 1) + '|')
    rows = [*results]
    for at in range(len(rows) - 1, 0, -1):
        for second in reversed(rows[:at]):
            pair = results[rows[at]], results[second]
            gaps = [difference(*pair, key) for key in METRICS]
            print(f'| {rows[at]} minus {second} | {" | ".join(gaps)} |')
    draw_rows(results, METRICS, args.out / 'results.png')


if __name__ == '__main__':
    sys.exit(run_comparison(compare, parse_args()))
