"""Choosing some of a cloud's points, and patches of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.seeding import fixed_generator
from mmdet3d_act.ops import farthest_point_sample, group_points
from mmdet3d_act.registry import TRANSFORMS
from mmdet3d_act.text import check_choice, check_least

METHODS = ('random', 'fps')
TOO_FEW = ('error', 'repeat', 'keep')
MASK_KEYS = ('pts_semantic_mask', 'pts_instance_mask')
# With the shape of one point's entry.
PER_POINT_KEYS = {**dict.fromkeys(MASK_KEYS, ()), 'pixels': (2,)}
# Of random cuboids: draws, and how alike two of the sides are.
_NUM_TRIES, _MIN_ASPECT = 100, 0.8
_NO_PATH = 'a sample without lidar_path'


def take_points(results: dict, indices: np.ndarray) -> None:
    """Replace a sample's points, and what belongs to them, by some of them.

    Args:
        results: With ``points`` (N, 3 + F), and where known
            ``pts_semantic_mask`` and ``pts_instance_mask``, arrays (N,),
            of which ``eval_ann_info`` may hold the same for the metric, and
            ``pixels`` (N, 2). It is changed.
        indices: (M,), int, in [0, N), in the wanted order; an index may
            come several times.
    """
    if 'center_indices' in results:
        raise ValueError(
            'points were chosen after GroupPoints, whose indices become wrong '
            'by it; put GroupPoints after'
        )
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
    """
    shape, count = tuple(results[key].shape), len(results['points'])
    expected = (count, *PER_POINT_KEYS[key])
    if shape != expected:
        path = results.get('lidar_path', _NO_PATH)
        raise ValueError(
            f'{path}: expected {key} of shape {expected}, one entry per '
            f'point, got {shape}; a transform before changed the points '
            'alone, use one that takes the masks along'
        )


@TRANSFORMS.register_module()
class SamplePoints(BaseTransform):
    """Keeps ``num_points`` of the N points of a cloud.

    What there is per point (``pts_semantic_mask``, ``pts_instance_mask``,
    ``pixels``) follows.

    Args:
        num_points: Number of points to keep.
        method: ``'random'``: a random choice. ``'fps'``: farthest point
            sampling from point 0 on; where the sample has ``fps_ordered``
            (`ModelNet40`'s ``.dat``) its first points are these.
        per_epoch: Whether a random choice differs from epoch to epoch.
        on_too_few: For a cloud with fewer points: ``'error'``,
            ``'repeat'``: all of its points, then those again, or ``'keep'``:
            all of them, fewer than ``num_points``.
        replace: Whether a random choice may take a point several times, as
            the published part segmentation does. No cloud is too small then.

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
        check_least('num_points', num_points, 1)
        check_choice('method', method, METHODS)
        check_choice('on_too_few', on_too_few, TOO_FEW)
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
        """Keep ``num_points`` of a sample's ``points`` (N, 3 + F), or all."""
        points = results['points']
        too_few = len(points) < self.num_points and not self.replace
        if too_few and self.on_too_few == 'error':
            raise BadSampleError(
                results.get('lidar_path', _NO_PATH),
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
        """Choose indices in their order: all of them, or each one once."""
        points = results['points']
        count = min(len(points), self.num_points)
        if self.method == 'fps':
            return _farthest(results, count)
        results.pop('fps_ordered', None)
        random = np.random if self.per_epoch else fixed_generator(results)
        if self.replace:
            return random.choice(len(points), self.num_points)
        return random.permutation(len(points))[:count]


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
            each epoch, as in the published training. False begins at point 0:
            the same points each time, which a ``static_pipeline`` keeps, and
            where the sample has ``fps_ordered`` the first ones.

    Example:
        >>> static_pipeline = [
        ...     dict(type='LoadPointCloud'),
        ...     dict(type='NormalizeToUnitSphere'),
        ...     dict(type='KeepFarthestPoints', num_points=1200)]
        >>> pipeline = [dict(type='SamplePoints', num_points=1024)]

    Source: ``furthest_point_sample`` in the published classification
    (``tools/runner_finetune.py``).
    """

    def __init__(self, num_points: int, *, random_start: bool = False) -> None:
        check_least('num_points', num_points, 1)
        self.num_points = num_points
        self.random_start = random_start

    def transform(self, results: dict) -> dict:
        """Keep the farthest of a sample's ``points`` (N, 3 + F)."""
        if len(results['points']) > self.num_points:
            take_points(results, self._choose(results))
        return results

    def _choose(self, results: dict) -> np.ndarray:
        if not self.random_start:
            return _farthest(results, self.num_points)
        results.pop('fps_ordered', None)
        coords = results['points'].coord
        order = np.random.permutation(len(coords))
        chosen = farthest_point_sample(coords[order][None], self.num_points)
        return order[chosen[0].numpy()]


def _farthest(results: dict, count: int) -> np.ndarray:
    """Find farthest points from point 0 on; they may be in this order."""
    if results.get('fps_ordered'):
        return np.arange(count)
    coords = results['points'].coord
    return farthest_point_sample(coords[None], count)[0].numpy()


@TRANSFORMS.register_module()
class RandomCuboidCrop(BaseTransform):
    """Keeps the points in a random axis-parallel cuboid of a scene.

    Each side of the cuboid is a random share of the scene's, drawn again
    until two of the three shares are alike (the smaller is at least 0.8 of
    the larger); its centre is a random point. It is drawn again where it
    holds too few points, or where the scene has boxes and no box is left;
    after 100 draws the scene stays whole. A box is left where its centre
    lies within the bounds of the points that are left. Boxes, their labels
    and masks per point follow the points; nothing is moved.

    Args:
        min_points: Fewest points of a crop. A scene with fewer stays whole.
        crop_range: Smallest and largest share of a side.

    Example:
        >>> results = RandomCuboidCrop(min_points=30000)(results)

    Source: ``RandomCuboid`` of the published 3DETR
    (``utils/random_cuboid.py``); Zhang et al., Self-Supervised Pretraining of
    3D Features on any Point-Cloud, 2021.
    """

    def __init__(
        self,
        min_points: int = 30000,
        *,
        crop_range: tuple[float, float] = (0.5, 1.0),
    ) -> None:
        low, high = crop_range
        if not 0 < low <= high <= 1:
            raise ValueError(
                f'crop_range must be 0 < low <= high <= 1, got {crop_range}'
            )
        check_least('min_points', min_points, 1)
        self.min_points = min_points
        self.crop_range = (low, high)

    def transform(self, results: dict) -> dict:
        """Keep the ``points`` (N, 3 + F) in a cuboid, and their boxes."""
        coords = results['points'].coord.numpy()
        if len(coords) < self.min_points:
            return results
        centers = None
        if len(results.get('gt_bboxes_3d', ())):
            centers = results['gt_bboxes_3d'].gravity_center.numpy()
        # Tells at once that a slab, and so the cuboid, holds too little.
        ordered = np.sort(np.ascontiguousarray(coords.T), axis=1)
        for _ in range(_NUM_TRIES):
            inside = self._draw(coords, ordered)
            if len(inside) < self.min_points:
                continue
            if centers is not None:
                low, high = coords[inside].min(0), coords[inside].max(0)
                kept = ((centers >= low) & (centers <= high)).all(axis=1)
                if not kept.any():
                    continue
                boxes = results['gt_bboxes_3d'][torch.from_numpy(kept)]
                results['gt_bboxes_3d'] = boxes
                results['gt_labels_3d'] = results['gt_labels_3d'][kept]
            take_points(results, inside)
            return results
        return results

    def _draw(self, coords: np.ndarray, ordered: np.ndarray) -> np.ndarray:
        """Draw a cuboid; find its points, none where they are too few."""
        share = np.random.uniform(*self.crop_range, size=3)
        center = coords[np.random.randint(len(coords))]
        alike = any(
            min(pair) >= _MIN_ASPECT * max(pair)
            for pair in combinations(share, 2)
        )
        if not alike:
            return np.empty(0, np.int64)
        half = ((ordered[:, -1] - ordered[:, 0]) * share / 2).astype(
            coords.dtype
        )
        low, high = center - half, center + half
        for axis, values in enumerate(ordered):
            first = np.searchsorted(values, low[axis])
            last = np.searchsorted(values, high[axis], side='right')
            if last - first < self.min_points:
                return np.empty(0, np.int64)
        # The reduction by rows takes many times as long.
        inside = np.ones(len(coords), bool)
        for axis, column in enumerate(coords.T):
            inside &= (column >= low[axis]) & (column <= high[axis])
        return np.flatnonzero(inside)


@TRANSFORMS.register_module()
class GroupPoints(BaseTransform):
    """Records which points are the patches' centres and members.

    The model then gathers the patches instead of computing them. Later
    augmentation moves the points and keeps the patches' members. In a
    ``static_pipeline`` the grouping is computed once per cloud.

    Args:
        num_groups: Number of patches G.
        group_size: Points per patch K.
        skip_origin: Whether points within 0.0316 of the origin are no
            centres, as in the published code.

    Example:
        >>> results = GroupPoints(64, 32)(dict(results))
        >>> results['neighbor_indices'].shape
        torch.Size([64, 32])
    """

    def __init__(
        self, num_groups: int, group_size: int, *, skip_origin: bool = False
    ) -> None:
        check_least('num_groups', num_groups, 1)
        check_least('group_size', group_size, 1)
        self.num_groups = num_groups
        self.group_size = group_size
        self.skip_origin = skip_origin

    def transform(self, results: dict) -> dict:
        """Add ``center_indices`` (G,), ``neighbor_indices`` (G, K), int64."""
        coords = results['points'].coord
        wanted = max(self.num_groups, self.group_size)
        if len(coords) < wanted:
            raise BadSampleError(
                results.get('lidar_path', _NO_PATH),
                f'too small: {self.num_groups} groups of {self.group_size} '
                f'need at least {wanted} points, got {len(coords)}',
            )
        groups = group_points(
            coords[None],
            self.num_groups,
            self.group_size,
            skip_origin=self.skip_origin,
        )
        results['center_indices'] = groups[2][0]
        results['neighbor_indices'] = groups[3][0]
        return results
