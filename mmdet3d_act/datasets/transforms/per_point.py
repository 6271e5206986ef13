"""What belongs to single points and goes where they go."""

from __future__ import annotations

import numpy as np
import torch

PER_POINT_KEYS = ('pts_semantic_mask', 'pts_instance_mask')


def take_points(results: dict, indices: np.ndarray) -> None:
    """Replace a sample's points, and what belongs to them, by some of them.

    Args:
        results: With ``points`` (N, 3 + F), and where known
            ``pts_semantic_mask`` and ``pts_instance_mask``, arrays (N,).
            It is changed.
        indices: (M,), int, in [0, N), in the wanted order; an index may
            come several times.

    Raises:
        ValueError: If a mask has not N entries.
    """
    points = results['points']
    for key in PER_POINT_KEYS:
        if key in results:
            check_per_point(results, key)
            results[key] = results[key][indices]
    results['points'] = points[torch.from_numpy(indices)]


def check_per_point(results: dict, key: str) -> None:
    """Refuse an array that does not belong to the points of its sample.

    Args:
        results: With ``points`` (N, 3 + F) and the array.
        key: Name of the array, which should be (N,).

    Raises:
        ValueError: If it is not.
    """
    shape, count = tuple(results[key].shape), len(results['points'])
    if shape != (count,):
        path = results.get('lidar_path', 'a sample without lidar_path')
        raise ValueError(
            f'{path}: expected {key} of shape ({count},), one entry per '
            f'point, got {shape}; a transform before changed the points '
            'alone, use one that takes the masks along'
        )
