"""Cutting a box out of a scene."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.transforms.per_point import take_points
from mmdet3d_act.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomCuboidCrop(BaseTransform):
    """Keeps the points in a random axis-parallel cuboid of a scene.

    Each side of the cuboid is a random share of the scene's, drawn again
    until two of the three shares are alike; its centre is a random point. It
    is drawn again where it holds too few points, or where the scene has
    boxes and no box is left; after ``num_tries`` draws the scene stays
    whole. A box is left where its centre lies within the bounds of the
    points that are left. Boxes, their labels and masks per point follow the
    points; nothing is moved.

    Args:
        min_points: Fewest points of a crop. A scene with fewer stays whole.
        crop_range: Smallest and largest share of a side.
        min_aspect: Two of the shares are alike if the smaller is at least
            this part of the larger.
        num_tries: Draws.

    Raises:
        ValueError: If a number is out of its range.

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
        min_aspect: float = 0.8,
        num_tries: int = 100,
    ) -> None:
        low, high = crop_range
        if not 0 < low <= high <= 1:
            raise ValueError(
                f'crop_range must be 0 < low <= high <= 1, got {crop_range}'
            )
        if min_points < 1 or num_tries < 0 or not 0 <= min_aspect <= 1:
            raise ValueError(
                'expected min_points >= 1, num_tries >= 0 and min_aspect in '
                f'[0, 1], got {min_points}, {num_tries} and {min_aspect}'
            )
        self.min_points = min_points
        self.crop_range = (low, high)
        self.min_aspect = min_aspect
        self.num_tries = num_tries

    def transform(self, results: dict) -> dict:
        """Return the sample with what is in the cuboid.

        Args:
            results: With ``points`` (N, 3 + F), and where known
                ``gt_bboxes_3d`` with ``gt_labels_3d``, and masks per point.

        Returns:
            The sample.

        Raises:
            ValueError: If the cloud is already in groups.
        """
        if 'center_indices' in results:
            raise ValueError(
                'RandomCuboidCrop came after GroupPoints, whose indices it '
                'would make wrong; put it before'
            )
        coords = results['points'].coord.numpy()
        if len(coords) < self.min_points:
            return results
        centers = None
        if len(results.get('gt_bboxes_3d', ())):
            centers = results['gt_bboxes_3d'].gravity_center.numpy()
        # Tells at once that a slab, and so the cuboid, holds too little.
        ordered = np.sort(np.ascontiguousarray(coords.T), axis=1)
        for _ in range(self.num_tries):
            inside = self._draw(coords, ordered)
            if len(inside) < self.min_points:
                continue
            if centers is None:
                take_points(results, inside)
                return results
            low, high = coords[inside].min(0), coords[inside].max(0)
            kept = ((centers >= low) & (centers <= high)).all(axis=1)
            if kept.any():
                take_points(results, inside)
                _take_boxes(results, kept)
                return results
        return results

    def _draw(self, coords: np.ndarray, ordered: np.ndarray) -> np.ndarray:
        """Return the points of a random cuboid; none where they are too few.

        Args:
            coords: (N, 3).
            ordered: (3, N), the coordinates of each axis, sorted.

        Returns:
            Indices, ascending.
        """
        share = np.random.uniform(*self.crop_range, size=3)
        center = coords[np.random.randint(len(coords))]
        alike = any(
            min(pair) >= self.min_aspect * max(pair)
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


def _take_boxes(results: dict, kept: np.ndarray) -> None:
    """Replace a sample's boxes and their labels by some of them."""
    boxes, labels = results['gt_bboxes_3d'], results['gt_labels_3d']
    results['gt_bboxes_3d'] = boxes[torch.from_numpy(kept)]
    results['gt_labels_3d'] = labels[kept]
