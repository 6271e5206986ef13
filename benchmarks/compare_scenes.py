#!/usr/bin/env python
"""Does pretraining on scenes help on scenes? Over seeds: docs/results.md.

    python tools/dataset_converters/make_synthetic_scenes.py DIR
    mkdir DIR/teachers     # and vit_tiny_patch16_224.pth into it
    ACT_DATA_ROOT=DIR python tools/cache_teacher.py \
        configs/concept/concept_pretrain_scannet_metres-stored-tiny.py
    python benchmarks/compare_scenes.py --data DIR --seeds 0 1 2
    python benchmarks/compare_scenes.py --data DIR --table

Each row pretrains its own student for every seed, on the training rooms
without labels, and fine-tunes it for detection and for segmentation with a
share of the rooms' labels, which the seed chooses; a smaller share has as
many steps. Scores are those of the last epoch on held-out rooms. With --frozen
only the heads learn: what is in the features. Rows:

- scratch: nothing is pretrained;
- point-mae: Point-MAE on crops of the rooms;
- act: both stages of ACT on the same crops, with ViT-Tiny as the teacher;
- concept: concept distillation on the rooms' RGB-D frames, ViT-Tiny again.

Finished runs are not run again. Started several times at once, once for each
core, the processes share the runs among them. Each uses one thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comparison import (
    cell,
    comparison_parser,
    config_file,
    difference,
    last_metrics,
    run_comparison,
    say,
)

if TYPE_CHECKING:
    from mmdet3d_act.apis import Run

AUTOENCODER = 'model.objectives.act.target_generator.checkpoint'
FROZEN, NUM_BLOCKS = 'model.backbone.frozen_stages', 4
SAMPLES = 'train_dataloader.dataset.samples_per_scene'


class Training(NamedTuple):
    """One of the configs, and how it is trained.

    Attributes:
        config: Below configs/, without its ending.
        epochs: Length of the training.
        options: What else is changed, by dotted names.
    """

    config: str
    epochs: int
    options: Mapping = MappingProxyType({})


CROPS = {SAMPLES: 2}
# Every other frame of a room.
FRAMES = {
    f'{loader}.dataset.frame_stride': 50
    for loader in ('train_dataloader', 'custom_hooks.1.dataloader')
}
STAGE_1 = Training('act/act_dvae_scannet_tiny', 8, CROPS)
PRETRAININGS = {
    'point-mae': Training(
        'point-mae/point-mae_pretrain_scannet_tiny', 12, CROPS
    ),
    'act': Training('act/act_pretrain_scannet_tiny', 12, CROPS),
    'concept': Training(
        'concept/concept_pretrain_scannet_metres-stored-tiny', 6, FRAMES
    ),
}
ROWS = ('scratch', *PRETRAININGS)
# Their configs begin with 'act_' or 'concept_'. Every room once an epoch.
TASKS = {
    'detection': Training('3detr_scannet_tiny', 10),
    'segmentation': Training(
        'semseg_scannet_tiny',
        40,
        {
            'train_dataloader.dataset.scene_idxs': None,
            'train_cfg.val_interval': 40,
        },
    ),
}
METRICS = {
    'detection': {
        'published/mAP_0.25_present': 'AP25',
        'published/mAP_0.50_present': 'AP50',
    },
    'segmentation': {'miou': 'mIoU', 'acc_cls': 'mAcc'},
}


def pretraining(row: str, seed: int, out: Path) -> Run:
    """Return the pretraining of a row's student, or of ACT's stage I."""
    from mmdet3d_act.apis import Run

    training = STAGE_1 if row == 'stage1' else PRETRAININGS[row]
    options = dict(training.options)
    if row == 'act':
        options[AUTOENCODER] = str(out / f'stage1_seed{seed}')
    return Run(
        f'{row}_seed{seed}',
        config_file(training.config),
        seed=seed,
        overrides=options,
        epochs=training.epochs,
    )


def fine_tuning(
    task: str,
    row: str,
    share: float,
    seed: int,
    out: Path,
    frozen: bool = False,
) -> Run:
    """Return the training of a task that starts from a row's student."""
    from mmdet3d_act.apis import Run

    # The concept student adds positions behind its blocks.
    name = 'concept' if row == 'concept' else 'act'
    student = str(out / f'{row}_seed{seed}')
    training = TASKS[task]
    options = {**training.options, SAMPLES: round(1 / share)}
    if frozen:
        options[FROZEN] = NUM_BLOCKS
    how = '_frozen' if frozen else ''
    return Run(
        f'{task}_{row}_labels{share:g}{how}_seed{seed}',
        config_file(f'{name}/{name}_{training.config}'),
        seed=seed,
        start=row if row == 'scratch' else student,
        overrides=options,
        epochs=training.epochs,
        label_fraction=share,
        metadata=dict(task=task, row=row, share=share),
    )


def fine_tunings(args: argparse.Namespace, seed: int) -> list[Run]:
    """Return the runs of a seed with labels."""
    return [
        fine_tuning(task, row, share, seed, args.out, args.frozen)
        for task in args.tasks
        for share in args.labels
        for row in args.rows
    ]


def train_all(args: argparse.Namespace, runs: list[Run]) -> None:
    """Pretrain and fine-tune what is not there yet."""
    from mmdet3d_act.apis import sweep

    first = [row for row in args.rows if row not in ('scratch', 'act')]
    stages = [['stage1', *first], ['act']] if 'act' in args.rows else [first]
    for rows in stages:
        students = [
            pretraining(row, seed, args.out)
            for seed in args.seeds
            for row in rows
        ]
        sweep(students, args.out, report=say)
    sweep(runs, args.out, keep_checkpoints=args.keep, report=say)


def last_scores(
    records: list[dict],
) -> dict[tuple[str, float], dict[str, dict[int, dict]]]:
    """Collect the last epochs' scores, in percent.

    Returns:
        By (task, share of labels), by row, by seed.
    """
    scores: dict = {}
    for record in records:
        task = record['task']
        rows = scores.setdefault((task, record['share']), {})
        rows.setdefault(record['row'], {})[record['seed']] = {
            key: 100 * last_metrics(record)[key] for key in METRICS[task]
        }
    return scores


def print_tables(records: list[dict]) -> None:
    """Print rows, and what each has over the one from scratch."""
    from mmdet3d_act.evaluation.summary import markdown_table

    for (task, share), rows in last_scores(records).items():
        metrics = METRICS[task]
        first = next(iter(metrics))
        table = [
            ['start', *metrics.values(), f'{metrics[first]} of each seed']
        ]
        for row, seeds in rows.items():
            runs = [seeds[seed] for seed in sorted(seeds)]
            table.append(
                [
                    row,
                    *(cell([run[key] for run in runs]) for key in metrics),
                    ', '.join(f'{run[first]:.1f}' for run in runs),
                ]
            )
        print(f'\n{task}, {100 * share:g} % of the labels\n')
        print(markdown_table(table))
        print()
        for row in rows:
            if row != 'scratch' and 'scratch' in rows:
                gaps = [
                    f'{label} {difference(rows[row], rows["scratch"], key)}'
                    for key, label in metrics.items()
                ]
                print(f'- {row} minus scratch: {"; ".join(gaps)}')


def parse_args() -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = comparison_parser(__doc__, 'work_dirs/compare_scenes')
    add = parser.add_argument
    add('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    add('--tasks', nargs='+', choices=list(TASKS), default=list(TASKS))
    add('--labels', type=float, nargs='+', default=[1.0])
    add('--frozen', action='store_true', help='train the heads only')
    add('--keep', action='store_true', help='keep the last checkpoints')
    return parser.parse_args()


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, and print the tables."""
    from mmdet3d_act.apis.sweeping import read_records

    runs = [run for seed in args.seeds for run in fine_tunings(args, seed)]
    if not args.table:
        train_all(args, runs)
    print_tables(read_records(runs, args.out))


if __name__ == '__main__':
    sys.exit(run_comparison(compare, parse_args()))
