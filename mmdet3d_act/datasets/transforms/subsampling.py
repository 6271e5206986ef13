"""Thinning a cloud to its farthest points."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.transforms.per_point import take_points
from mmdet3d_act.ops import farthest_point_sample
from mmdet3d_act.registry import TRANSFORMS


@TRANSFORMS.register_module()
class KeepFarthestPoints(BaseTransform):
    """Keeps the farthest points of a cloud, all where it has no more.

    With a random choice after it, it is the published classification
    training: 1024 of the 1200 farthest points, 2048 of 2400, 4096 of 4800,
    8192 of 8192. A cloud that has no more points stays as it is, so
    ScanObjectNN's 2048 are only put in a random order. Masks per point
    follow.

    Args:
        num_points: Largest number of points to keep.
        random_start: Whether the search begins at a random point, new in
            each epoch, as in the released training. False begins at point 0:
            the same points each time, which a ``static_pipeline`` keeps, and
            where the sample has ``fps_ordered`` the first ones.

    Raises:
        ValueError: If ``num_points`` is below 1.

    Example:
        >>> static_pipeline = [
        ...     dict(type='LoadPointCloud'),
        ...     dict(type='NormalizeToUnitSphere'),
        ...     dict(type='KeepFarthestPoints', num_points=1200)]
        >>> pipeline = [dict(type='SamplePoints', num_points=1024)]

    Source: `reference/README.md`, section 7, "Classification evaluation".
    """

    def __init__(self, num_points: int, *, random_start: bool = False) -> None:
        if num_points < 1:
            raise ValueError(f'num_points must be >= 1, got {num_points}')
        self.num_points = num_points
        self.random_start = random_start

    def transform(self, results: dict) -> dict:
        """Return the sample with at most ``num_points`` points.

        Args:
            results: With ``points`` (N, 3 + F).

        Returns:
            The sample with ``points`` (min(N, num_points), 3 + F), in the
            order of choice where there were more.

        Raises:
            ValueError: If the cloud is already in groups.
        """
        if 'center_indices' in results:
            raise ValueError(
                'KeepFarthestPoints came after GroupPoints, whose indices it '
                'would make wrong; put it before'
            )
        if len(results['points']) > self.num_points:
            take_points(results, self._choose(results))
        return results

    def _choose(self, results: dict) -> np.ndarray:
        coords = results['points'].coord
        if self.random_start:
            results.pop('fps_ordered', None)
            order = np.random.permutation(len(coords))
            chosen = farthest_point_sample(
                coords[order][None], self.num_points
            )
            return order[chosen[0].numpy()]
        if results.get('fps_ordered'):
            return np.arange(self.num_points)
        return farthest_point_sample(coords[None], self.num_points)[0].numpy()
