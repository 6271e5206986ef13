#!/usr/bin/env python
r"""What do frozen features know of a scene? Linear probes of its patches.

    python benchmarks/probe_scenes.py --data DIR \
        act=work_dirs/act_pretrain_scannet_tiny scratch=scratch@0 \
        concept=work_dirs/concept_pretrain_scannet_metres-stored-tiny@after

A ridge classifier learns the class of each patch's centre (20 classes of
ScanNet) from the features of the training rooms and is judged on those of
validation, as are 20 neighbours. The row `position` has the centre's
coordinates and height above the floor in place of features; `NAME + position`
has both. Accuracy is over patches, mAcc the mean over the classes that occur.
Students are tiny ones, NAME=CHECKPOINT or work directory; `@after` for those
of concept distillation; `scratch@SEED` is an untrained one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONFIG = 'configs/act/act_semseg_scannet_tiny.py'
NUM_POINTS = 8192
NUM_CLASSES = 20
BLOCKS_PER_SCENE = 4
ALPHA = 10.0


def load_student(cfg: Config, source: str) -> nn.Module:
    """Return a frozen student.

    Args:
        cfg: A config whose backbone it is.
        source: ``scratch@SEED`` (0), or a checkpoint, perhaps with ``@after``.
    """
    import torch

    from mmdet3d_act.registry import MODELS

    path, _, form = source.partition('@')
    options = dict(cfg.model.backbone, init_cfg=None)
    torch.manual_seed(int(form or 0) if path == 'scratch' else 0)
    if path != 'scratch':
        options['position'] = form or 'before'
        options['init_cfg'] = dict(type='Pretrained', checkpoint=path)
    student = MODELS.build(options)
    if path != 'scratch':
        student.init_weights()
    return student.eval()


def scenes(cfg: Config, split: str, blocks: bool) -> list[dict]:
    """Return the scenes of a split: points and the class of each.

    Args:
        cfg: A segmentor's config.
        split: Which scenes.
        blocks: Whether they are blocks, as the segmentor is trained on.
    """
    from mmdet3d_act.registry import DATASETS

    whole = [
        dict(type='LoadScene', with_semantic_mask=True),
        dict(type='PointSegClassMapping'),
        dict(type='GlobalAlignment', rotation_axis=2),
        dict(type='SamplePoints', num_points=NUM_POINTS),
        dict(type='PackPointInputs'),
    ]
    data = dict(cfg.val_dataloader.dataset, pipeline=whole)
    if blocks:
        data = dict(cfg.train_dataloader.dataset, scene_idxs=None)
        data['samples_per_scene'] = BLOCKS_PER_SCENE
    dataset = DATASETS.build(dict(data, split=split))
    return [dataset[index] for index in range(len(dataset))]


def patches(
    student: nn.Module, samples: list[dict]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (S, C), positions (S, 4) and classes (S,) of patches."""
    import torch

    found = []
    with torch.no_grad():
        for sample in samples:
            points = sample['inputs']['points'][None, :, :3]
            out = student(points)
            centers = out['centers'][0]
            height = centers[:, 2:] - points[0, :, 2].min()
            labels = sample['data_samples'].gt_pts_seg.pts_semantic_mask
            rows = out['fp_indices'][-1][0]
            found.append(
                (
                    out['features'][0].T.numpy(),
                    torch.cat([centers, height], 1).numpy(),
                    np.asarray(labels)[rows.numpy()],
                )
            )
    features, positions, labels = map(np.concatenate, zip(*found, strict=True))
    known = labels < NUM_CLASSES
    return features[known], positions[known], labels[known]


def probe(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float, float]:
    """Return accuracy, mean accuracy of classes and 20-NN's, in percent.

    Args:
        train: Inputs (S, D) and classes (S,).
        test: The same of other scenes.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), RidgeClassifier(ALPHA, class_weight='balanced')
    ).fit(*train)
    near = make_pipeline(StandardScaler(), KNeighborsClassifier(20))
    right = model.predict(test[0]) == test[1]
    each = [right[test[1] == label].mean() for label in np.unique(test[1])]
    scores = right.mean(), np.mean(each), near.fit(*train).score(*test)
    return tuple(100 * float(score) for score in scores)


def find_own(
    student: nn.Module, parts: list[list[dict]], vectors: list[np.ndarray]
) -> float:
    """Return how many clouds have their own vector in the nearest 5, in %.

    Of the second part; a ridge regression maps pooled features to vectors
    (S, D), fitted to the first part.
    """
    import torch
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import scale

    from mmdet3d_act.evaluation import retrieval_metric

    pooled = []
    for part in parts:
        clouds = torch.stack([one['inputs']['points'] for one in part])
        with torch.no_grad():
            found = [student(some)['features'] for some in clouds.split(64)]
        both = [torch.cat(found).amax(2), torch.cat(found).mean(2)]
        pooled.append(scale(torch.cat(both, 1).double().numpy()))
    model = RidgeCV(np.logspace(0, 4, 5)).fit(pooled[0], scale(vectors[0]))
    predicted = model.predict(pooled[1])
    ranks = retrieval_metric.retrieval_ranks(predicted, scale(vectors[1]))
    return retrieval_metric.recall_at(ranks, 5)


def parse_args() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('students', nargs='+', metavar='NAME=SOURCE')
    parser.add_argument('--data', required=True, help='data root')
    parser.add_argument(
        '--blocks',
        action='store_true',
        help='patches of blocks of 1.5 m, as the segmentor is trained on, in '
        'place of whole rooms',
    )
    return parser.parse_args()


def probe_all(args: argparse.Namespace) -> None:
    """Print a row of the table for every student."""
    os.environ['ACT_DATA_ROOT'] = args.data
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from mmdet3d_act.engine.launch import check_requirements
    from mmdet3d_act.evaluation.summary import markdown_table

    cfg = Config.fromfile(ROOT / CONFIG)
    init_default_scope('mmdet3d')
    check_requirements(cfg, CONFIG, ['train_dataloader', 'val_dataloader'])
    parts = [scenes(cfg, split, args.blocks) for split in ('train', 'val')]
    table = [['features', 'accuracy', 'mAcc', '20-NN']]
    for text in args.students:
        name, _, source = text.partition('=')
        student = load_student(cfg, source)
        train, test = (patches(student, part) for part in parts)
        rows = {
            name: [one[0] for one in (train, test)],
            f'{name} + position': [
                np.concatenate(one[:2], axis=1) for one in (train, test)
            ],
        }
        if text == args.students[0]:
            rows['position'] = [one[1] for one in (train, test)]
        for row, (first, second) in rows.items():
            scores = probe((first, train[2]), (second, test[2]))
            table.append([row, *(f'{score:.1f}' for score in scores)])
            print(row, *table[-1][1:], flush=True)
    print(markdown_table(table))


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: probe_all(args))


if __name__ == '__main__':
    sys.exit(main())
