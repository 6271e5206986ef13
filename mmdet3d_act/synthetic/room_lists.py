"""The lists of a set of rooms, as MMDetection3D's own tools write them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmdet3d_act.datasets.scannet import (
    DETECTION_CLASSES,
    DETECTION_IDS,
    SEGMENTATION_IDS,
)

from .writing import write_array, write_whole

_SEG_POINTS = 8192  # points of a training sample, for the resampled list


def list_files() -> list[str]:
    """Return the files of the lists, relative to the folder `scannet`."""
    return [
        name
        for split in ('train', 'val')
        for name in (
            f'scannet_infos_{split}.pkl',
            f'seg_info/{split}_resampled_scene_idxs.npy',
            f'seg_info/{split}_label_weight.npy',
            f'meta_data/scannetv2_{split}.txt',
        )
    ]


def write_lists(folder: Path, split: str, scenes: Sequence[str]) -> None:
    """Write the lists of a split from the files of its scenes.

    Args:
        folder: The folder `scannet`.
        split: 'train' or 'val'.
        scenes: Names of the scenes.
    """
    infos = {
        'metainfo': {
            'categories': {
                name: label for label, name in enumerate(DETECTION_CLASSES)
            },
            'dataset': 'scannet',
            'info_version': '1.1',
        },
        'data_list': [_info(folder, scene) for scene in scenes],
    }
    path = folder / f'scannet_infos_{split}.pkl'
    write_whole(path, pickle.dumps(infos, protocol=4))
    names = ''.join(f'{scene}\n' for scene in scenes)
    path = folder / 'meta_data' / f'scannetv2_{split}.txt'
    write_whole(path, names.encode())
    indices, weights = _segmentation_lists(folder, scenes)
    stem = folder / 'seg_info'
    write_array(stem / f'{split}_resampled_scene_idxs.npy', indices)
    write_array(stem / f'{split}_label_weight.npy', weights)


def count_boxes(
    folder: Path, scenes: Sequence[str]
) -> tuple[dict[str, int], int]:
    """Return the boxes by class, and how many things were left without one.

    Args:
        folder: The folder `scannet`.
        scenes: Names of the scenes.
    """
    stem = folder / 'scannet_instance_data'
    counts = dict.fromkeys(DETECTION_CLASSES, 0)
    dropped = 0
    for scene in scenes:
        for number in np.load(stem / f'{scene}_aligned_bbox.npy')[:, 6]:
            counts[DETECTION_CLASSES[DETECTION_IDS.index(int(number))]] += 1
        dropped += len(np.load(stem / f'{scene}_dropped.npy'))
    return counts, dropped


def _info(folder: Path, scene: str) -> dict[str, Any]:
    """Return the entry of a scene, as MMDetection3D 1.x has it."""
    stem = folder / 'scannet_instance_data'
    boxes = np.load(stem / f'{scene}_aligned_bbox.npy')
    align = np.load(stem / f'{scene}_axis_align_matrix.npy')
    return {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{scene}.bin'},
        'instances': [
            {
                'bbox_3d': box[:6].tolist(),
                'bbox_label_3d': DETECTION_IDS.index(int(box[6])),
            }
            for box in boxes
        ],
        'pts_semantic_mask_path': f'{scene}.bin',
        'pts_instance_mask_path': f'{scene}.bin',
        'axis_align_matrix': align.tolist(),
    }


def _segmentation_lists(
    folder: Path, scenes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each scene is listed, and the weights of 20 classes.

    A scene comes once per 8192 points, at least once; a class with the share
    s of the points weighs 1 / ln(1.2 + s), as PointNet++ has it.
    """
    counts = np.zeros(41)
    indices = []
    for index, scene in enumerate(scenes):
        mask = np.fromfile(folder / 'semantic_mask' / f'{scene}.bin', np.int64)
        counts += np.bincount(mask, minlength=41)
        indices += [index] * max(1, round(len(mask) / _SEG_POINTS))
    known = counts[np.array(SEGMENTATION_IDS)]
    share = known / max(known.sum(), 1)
    weights = 1 / np.log(1.2 + share)
    return np.array(indices, np.int32), weights.astype(np.float32)
