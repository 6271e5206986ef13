"""Choosing some of a cloud's points."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.seeding import fixed_generator
from mmdet3d_act.datasets.transforms.per_point import take_points
from mmdet3d_act.ops import farthest_point_sample
from mmdet3d_act.registry import TRANSFORMS

METHODS = ('random', 'fps', 'first')
TOO_FEW = ('error', 'repeat', 'keep')


@TRANSFORMS.register_module()
class SamplePoints(BaseTransform):
    """Keeps ``num_points`` of the N points of a cloud.

    What there is per point (``pts_semantic_mask``, ``pts_instance_mask``,
    ``pixels``) follows.

    Args:
        num_points: Number of points to keep.
        method: ``'random'``: a random choice. ``'fps'``: farthest point
            sampling from point 0 on; where the sample has ``fps_ordered``
            (`ModelNet40`'s packed files) its first points are these.
            ``'first'``: the first ones.
        per_epoch: Whether a random choice differs from epoch to epoch.
        on_too_few: For a cloud with fewer points: ``'error'``,
            ``'repeat'``: all of its points, then those again, or ``'keep'``:
            all of them, fewer than ``num_points``.
        replace: Whether a random choice may take a point several times, as
            the published part segmentation does. No cloud is too small then.

    Raises:
        ValueError: If an argument is not one of these.

    Example:
        >>> transform = SamplePoints(1024, method='fps')
        >>> transform(results)['points'].shape
        torch.Size([1024, 3])
    """

    def __init__(
        self,
        num_points: int,
        method: str = 'random',
        *,
        per_epoch: bool = True,
        on_too_few: str = 'error',
        replace: bool = False,
    ) -> None:
        if num_points < 1:
            raise ValueError(f'num_points must be >= 1, got {num_points}')
        if method not in METHODS:
            raise ValueError(
                f'method must be one of {METHODS}, got {method!r}'
            )
        if on_too_few not in TOO_FEW:
            raise ValueError(
                f'on_too_few must be one of {TOO_FEW}, got {on_too_few!r}'
            )
        if replace and method != 'random':
            raise ValueError(
                f"replace=True is for method 'random', got {method!r}"
            )
        self.num_points = num_points
        self.method = method
        self.per_epoch = per_epoch
        self.on_too_few = on_too_few
        self.replace = replace

    def transform(self, results: dict) -> dict:
        """Return the sample with fewer points.

        Args:
            results: With ``points`` (N, 3 + F).

        Returns:
            The sample with ``points`` (num_points, 3 + F), or all of them.

        Raises:
            BadSampleError: If there are too few points and ``on_too_few`` is
                ``'error'``.
            ValueError: If the cloud is already in groups.
        """
        if 'center_indices' in results:
            raise ValueError(
                'SamplePoints came after GroupPoints, whose indices it would '
                'make wrong; put it before'
            )
        points = results['points']
        too_few = len(points) < self.num_points and not self.replace
        if too_few and self.on_too_few == 'error':
            raise BadSampleError(
                results.get('lidar_path', 'a sample without lidar_path'),
                f'too small: expected at least {self.num_points} points, got '
                f"{len(points)}; set on_too_few='repeat' in SamplePoints to "
                'use points several times',
            )
        chosen = self._order(results)
        if self.on_too_few != 'keep':
            chosen = np.resize(chosen, self.num_points)
        take_points(results, chosen)
        return results

    def _order(self, results: dict) -> np.ndarray:
        """Return indices in their order: all of them, or each one once."""
        points = results['points']
        count = min(len(points), self.num_points)
        ordered = self.method == 'fps' and results.get('fps_ordered')
        if self.method == 'first' or ordered:
            return np.arange(count)
        results.pop('fps_ordered', None)
        if self.method == 'fps':
            return farthest_point_sample(points.coord[None], count)[0].numpy()
        random = np.random if self.per_epoch else fixed_generator(results)
        if self.replace:
            return random.choice(len(points), self.num_points)
        return random.permutation(len(points))[:count]
