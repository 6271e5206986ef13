#!/usr/bin/env python
"""What is learned shows on held-out furniture and rooms: docs/results.md.

    python tools/dataset_converters/sweethome3d.py PACKAGE DIR
    python benchmarks/compare_furniture.py teachers --data DIR
    python benchmarks/compare_furniture.py students --data DIR \
        --starts act-mini demo=work_dirs/act_pretrain_shapenet_demo
    python benchmarks/compare_furniture.py colors --data DIR --epochs 40
    python tools/dataset_converters/make_synthetic_scenes.py ROOMS
    python benchmarks/compare_furniture.py rooms --data ROOMS --epochs 6

`teachers`: concept distillation on renders with an image model as the teacher
(EfficientNet-Lite0 of ImageNet), with the same model randomly initialised, and
reconstruction without one: the same student, clouds, steps and seeds.
`students`: students of ACT as they are, nothing is trained; the seeds draw the
few labels, and the weights of the untrained one. Then by few labels of --draws
draws, the same for all, the first start is compared with the others: with an
interval over the draws, on these objects, and with one over objects;
`--split val` does that alone, on a quarter of the labelled training objects.
`colors`: Point-MAE, whose student sees coordinates alone, or the colours of
the materials too, which are dropped for a third of the clouds; the latter is
also probed without colours.
`rooms`: the rows of `teachers` on every other frame of synthetic rooms. In
other rooms the class of a patch is probed, and whether a linear map to the
pretrained model's vectors of the frames finds a cloud's own.
Probes are fitted to the labelled clouds for training and scored on held-out
objects. Finished runs are not run again. OUT/results.png shows every run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from comparison import (
    ROOT,
    cell,
    comparison_parser,
    config_file,
    held_objects,
    last_metrics,
    report_rows,
    run_comparison,
    say,
)

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config
    from torch.utils.data import Dataset

    from mmdet3d_act.apis import Run

METRICS = {
    'svm_accuracy': 'linear SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': '5 labels per class',
}
ROOM_METRICS = {
    'patches': 'patch classes, linear',
    'patches_knn': '20-NN',
    'patches_few': 'from 5 rooms',
    'picture': 'own picture, R@5',
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
PROBED_ROOMS = 'probe.json'
DRAWN = 'model.objectives.concept.target_generator.teacher.encoder.checkpoint'
POINT_MAE = 'point-mae/point-mae_pretrain_shapenet_tiny'
# As the students of ACT are, probed as in the other study.
STUDENT = {
    'model.student.with_cls_token': True,
    'val_evaluator.C_grid': (0.001, 0.01, 0.1),
    'val_evaluator.knn': 20,
    'val_evaluator.labels_per_class': 5,
}
SPLIT = {'train_dataloader.dataset.split': 'train'}
# Of classifiers of few labels; and how often the objects are drawn again.
PENALTY, RESAMPLED = 0.01, 10_000
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
    studies = ['teachers', 'students', 'colors', 'rooms']
    parser.add_argument('study', choices=studies)
    parser.add_argument('--epochs', type=int, default=20, help='(default: 20)')
    parser.add_argument('--rows', nargs='+', help='(default: all)')
    parser.add_argument('--starts', nargs='+', default=['act-mini'])
    parser.add_argument('--draws', type=int, default=50, help='(default: 50)')
    parser.add_argument('--split', default='test', choices=['val', 'test'])
    args = parser.parse_args()
    if args.split == 'val' and args.study != 'students':
        parser.error('--split val is for students')
    rows = [row for row, *_ in list_rows(args, 0)]
    lacking = ', '.join({*(args.rows or [])} - {*rows})
    if lacking:
        parser.error(f'--rows: no {lacking}; there are {", ".join(rows)}')
    args.out = args.out / args.study
    return args


def list_rows(
    args: argparse.Namespace, seed: int
) -> Iterator[tuple[str, str, str | None, dict, int]]:
    """List row, config, start, overrides and epochs of the runs of a seed."""
    if args.study in ('teachers', 'rooms'):
        for row, (config, overrides) in TEACHERS.items():
            epochs = 0 if row == 'untrained' else args.epochs
            if args.study == 'rooms':
                config = RECONSTRUCTION if row == 'untrained' else config
                config = config.replace('shapenet_', 'scannet_metres-')
                overrides = {}
                if row == 'random teacher':
                    overrides[DRAWN] = str(args.out / f'random_{seed}.pth')
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
            overrides=overrides
            if args.study == 'rooms'
            else {'val_evaluator.seed': seed, **overrides},
            epochs=epochs,
            metadata=dict(row=row),
        )
        for seed in args.seeds
        for row, config, start, overrides, epochs in list_rows(args, seed)
        if row in (args.rows or [row])
    ]


def compare_few_labels(args: argparse.Namespace) -> None:
    """Compare the first start with the others, over draws and objects."""
    import numpy as np

    from mmdet3d_act.engine.launch import load_config
    from mmdet3d_act.evaluation.summary import interval
    from mmdet3d_act.registry import DATASETS

    cfg = load_config(config_file(POINT_MAE), STUDENT)
    data = DATASETS.build(cfg.val_dataloader.dataset)
    objects, held = held_objects(args.data, 0)
    tested = np.repeat([False, True], [len(part) for part in data.datasets])
    if args.split == 'val':
        data = data.datasets[0]
    files = [data.get_data_info(at)['lidar_path'] for at in range(len(data))]
    owners = [objects[Path(file).stem] for file in files]
    if args.split == 'val':
        tested = np.array([owner in held for owner in owners])
    owners = np.unique(np.array(owners)[tested], return_inverse=True)[1]
    count = owners.max() + 1
    # How often an object is drawn, with its copies.
    weights = np.random.default_rng(0).multinomial(
        count, np.full(count, 1 / count), RESAMPLED
    )
    right = {}
    for start in [*args.starts, 'untrained']:
        name, _, path = start.rpartition('=')
        right[name or Path(path).name] = few_label_answers(
            cfg, data, tested, path, args.draws
        )
    first = next(iter(right))
    few = STUDENT['val_evaluator.labels_per_class']
    head = f'{few} labels per class | {first} minus it'
    print(f'\n| start | {head} | over draws | over objects |')
    print('|---' * 5 + '|')
    for start, found in right.items():
        score = cell([*100 * found.mean(1)])
        gaps = 100 * (right[first].astype(float) - found)
        mean, half = gaps.mean(), interval([*gaps.mean(1)])
        totals = weights @ np.bincount(owners, gaps.mean(0))
        drawn = totals / (weights @ np.bincount(owners))
        low, high = np.percentile(drawn, [2.5, 97.5])
        print(
            f'| {start} | {score} | {mean:+.1f} | [{mean - half:+.1f}, '
            f'{mean + half:+.1f}] | [{low:+.1f}, {high:+.1f}] |'
        )


def few_label_answers(
    cfg: Config, data: Dataset, tested: np.ndarray, source: str, draws: int
) -> np.ndarray:
    """Tell which of the tested clouds classifiers of few labels get right.

    Args:
        cfg: The config of the probe.
        data: Its clouds.
        tested: Whether each of them is held out.
        source: A student.
        draws: How often the labels are drawn.

    Returns:
        (draws, clouds), bool.
    """
    import numpy as np
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    from mmdet3d_act.apis.probing import extract_features, load_encoder
    from mmdet3d_act.evaluation.probes import LabelledFeatures, draw_few_labels

    samples = extract_features(load_encoder(cfg, source, POINT_MAE), data)
    vectors = np.stack(
        [np.concatenate([*one['pred_feats'].values()]) for one in samples]
    )
    labels = np.array([int(one['gt_label']) for one in samples])
    known = ~tested
    vectors = StandardScaler().fit(vectors[known]).transform(vectors)
    svm = LinearSVC(C=PENALTY, random_state=0, max_iter=2000)
    return np.stack(
        [
            svm.fit(*drawn).predict(vectors[tested]) == labels[tested]
            for drawn in draw_few_labels(
                LabelledFeatures(vectors[known], labels[known]),
                STUDENT['val_evaluator.labels_per_class'],
                [(0, draw) for draw in range(draws)],
            )
        ]
    )


def store_vectors(runs: list[Run]) -> None:
    """Compute what every image model of the runs says of the frames, once."""
    import timm
    import torch

    from mmdet3d_act.engine.launch import check_requirements, load_config

    config, data = runs[-1].config, ['train_dataloader', 'val_dataloader']
    check_requirements(load_config(config), config, data)
    taught = [run for run in runs if 'teacher' in run.metadata['row']]
    for file, run in {run.overrides.get(DRAWN): run for run in taught}.items():
        tool = str(ROOT / 'tools/cache_teacher.py')
        command = [sys.executable, tool, run.config, '--amp']
        if file:
            torch.manual_seed(run.seed)
            drawn = timm.create_model('tf_efficientnet_lite0')
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            torch.save(drawn.state_dict(), file)
            command += ['--cfg-options', f'{DRAWN}={file}']
        if code := subprocess.call(command):
            sys.exit(code)  # the tool has said why


def probe_rooms(args: argparse.Namespace, runs: list[Run]) -> None:
    """Probe the students of runs; what is found lies in their folders."""
    import numpy as np
    import probe_scenes as scenes
    from mmengine.registry import init_default_scope

    from mmdet3d_act.engine.launch import load_config
    from mmdet3d_act.registry import DATASETS, MODELS

    init_default_scope('mmdet3d')
    form = {'model.backbone.position': 'after'}
    cfg = load_config(str(ROOT / scenes.CONFIG), form)
    rooms = [scenes.scenes(cfg, split, False) for split in ('train', 'val')]
    plain = load_config(runs[-1].config, runs[-1].overrides)
    store = MODELS.build(plain.model.objectives.concept.target_generator)
    loaders = plain.target_dataloader, plain.val_dataloader
    data = [DATASETS.build(loader.dataset) for loader in loaders]
    frames = [[one[at] for at in range(len(one))] for one in data]
    read = store.target_store.read
    vectors = [read(one.pair_keys()).double().numpy() for one in data]
    for run in runs:
        file = args.out / run.name / PROBED_ROOMS
        if file.is_file():
            continue
        scratch = f'scratch@{run.seed}'
        source = f'{file.parent}@after' if run.epochs else scratch
        student = scenes.load_student(cfg, source)
        train, test = (scenes.patches(student, part)[::2] for part in rooms)
        drawn = np.random.default_rng(run.seed).permutation(len(rooms[0]))
        few = scenes.patches(student, [rooms[0][at] for at in drawn[:5]])[::2]
        scores = scenes.probe(train, test)[1:] + scenes.probe(few, test)[1:2]
        student.num_groups = 32
        scores += (scenes.find_own(student, frames, vectors),)
        found = dict(zip(ROOM_METRICS, scores, strict=True))
        file.write_text(json.dumps(found))


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, print the tables, draw the picture."""
    from mmdet3d_act.apis import sweep
    from mmdet3d_act.apis.sweeping import read_records

    runs = make_runs(args)
    rooms = args.study == 'rooms'
    metrics = ROOM_METRICS if rooms else METRICS
    if not args.table:
        keep = args.study in ('colors', 'rooms')
        if rooms:
            store_vectors(runs)
        # What is only probed may start from what is trained before.
        for group in ([run for run in runs if run.epochs], runs):
            sweep(group, args.out, amp=True, keep_checkpoints=keep, report=say)
        if rooms:
            probe_rooms(args, runs)
    results: dict[str, dict[int, dict]] = {}
    seconds: dict[str, float] = {}
    for record in read_records(runs, args.out):
        row = record['row']
        file = args.out / record['name'] / PROBED_ROOMS
        found = json.loads(file.read_text()) if rooms else last_metrics(record)
        results.setdefault(row, {})[record['seed']] = found
        seconds[row] = max(seconds.get(row, 0), record['seconds'] or 0)
    report_rows(results, metrics, seconds, args.out / 'results.png')
    if args.study == 'students':
        compare_few_labels(args)


if __name__ == '__main__':
    options = parse_args()
    chosen = compare_few_labels if options.split == 'val' else compare
    sys.exit(run_comparison(chosen, options))
