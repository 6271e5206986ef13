"""What belongs to single points and goes where they go."""

from __future__ import annotations

import numpy as np
import torch

MASK_KEYS = ('pts_semantic_mask', 'pts_instance_mask')
# With the shape of one point's entry.
PER_POINT_KEYS = {**dict.fromkeys(MASK_KEYS, ()), 'pixels': (2,)}


def take_points(results: dict, indices: np.ndarray) -> None:
    """Replace a sample's points, and what belongs to them, by some of them.

    Args:
        results: With ``points`` (N, 3 + F), and where known
            ``pts_semantic_mask`` and ``pts_instance_mask``, arrays (N,),
            of which ``eval_ann_info`` may hold the same for the metric, and
            ``pixels`` (N, 2). It is changed.
        indices: (M,), int, in [0, N), in the wanted order; an index may
            come several times.

    Raises:
        ValueError: If a mask has not N entries.
    """
    points = results['points']
    for_metric = results.get('eval_ann_info', {})
    for key in PER_POINT_KEYS:
        if key in results:
            check_per_point(results, key)
            results[key] = results[key][indices]
            if key in for_metric:
                for_metric[key] = results[key]
    results['points'] = points[torch.from_numpy(indices)]


def check_per_point(results: dict, key: str) -> None:
    """Refuse an array that does not belong to the points of its sample.

    Args:
        results: With ``points`` (N, 3 + F) and the array.
        key: Name of the array, one of ``PER_POINT_KEYS``.

    Raises:
        ValueError: If it has not N entries of the key's shape.
    """
    shape, count = tuple(results[key].shape), len(results['points'])
    expected = (count, *PER_POINT_KEYS[key])
    if shape != expected:
        path = results.get('lidar_path', 'a sample without lidar_path')
        raise ValueError(
            f'{path}: expected {key} of shape {expected}, one entry per '
            f'point, got {shape}; a transform before changed the points '
            'alone, use one that takes the masks along'
        )
