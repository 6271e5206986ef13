"""Reading scenes of MMDetection3D's ScanNet format."""

from __future__ import annotations

import functools
import logging

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log

from mmdet3d_act.datasets.readers.scenes import (
    read_scene_mask,
    read_scene_points,
)
from mmdet3d_act.registry import TRANSFORMS

USE_DIMS = (3, 6)
ON_EMPTY = ('error', 'origin')


@TRANSFORMS.register_module()
class LoadScene(BaseTransform):
    """Reads the points of the scene ``lidar_path``, its boxes and masks.

    It takes the place of MMDetection3D's `LoadPointsFromFile` and
    `LoadAnnotations3D`, which trust their files, and load masks that a scene
    with boxes only does not have. The results are theirs, so their
    transforms go on from here.

    Args:
        use_dim: 3: coordinates. 6: also red, green and blue from 0 to 255.
        with_boxes: Whether boxes and their labels are taken over. In testing
            there are none but those for the metric.
        with_semantic_mask: Whether the class of every point is read, in the
            numbers of the file (NYU40), which MMDetection3D's
            `PointSegClassMapping` turns into labels.
        with_instance_mask: Whether the object of every point is read.
        on_empty: For a scene without points: ``'error'``, or ``'origin'``:
            it gets a single one at the origin, with a warning, so that it
            can be stacked with others; it has no masks then.

    Raises:
        ValueError: If ``use_dim`` or ``on_empty`` is not one of these, or
            masks are asked for with ``'origin'``.

    Example:
        >>> torch.rand(500, 6).numpy().tofile('scene.bin')
        >>> LoadScene()(dict(lidar_path='scene.bin'))['points'].shape
        torch.Size([500, 3])
    """

    def __init__(
        self,
        use_dim: int = 3,
        *,
        with_boxes: bool = False,
        with_semantic_mask: bool = False,
        with_instance_mask: bool = False,
        on_empty: str = 'error',
    ) -> None:
        if use_dim not in USE_DIMS:
            raise ValueError(
                f'use_dim must be one of {USE_DIMS}, got {use_dim}'
            )
        if on_empty not in ON_EMPTY:
            raise ValueError(
                f'on_empty must be one of {ON_EMPTY}, got {on_empty!r}'
            )
        if on_empty == 'origin' and (with_semantic_mask or with_instance_mask):
            raise ValueError(
                "on_empty='origin' makes a point that no mask has a label "
                "for; leave it at 'error' where masks are read"
            )
        self.use_dim = use_dim
        self.on_empty = on_empty
        self.with_boxes = with_boxes
        self.masks = dict(
            pts_semantic_mask=with_semantic_mask,
            pts_instance_mask=with_instance_mask,
        )

    def transform(self, results: dict) -> dict:
        """Return the sample with its points and what is asked for.

        Args:
            results: A scene's information as `ScanNetScenes` gives it.

        Returns:
            The sample with ``points`` (N, use_dim), metres; with
            ``gt_bboxes_3d`` (M, 6) and ``gt_labels_3d`` (M,), int64, if it
            is for training; with ``pts_semantic_mask`` and
            ``pts_instance_mask`` (N,), int64, which go into
            ``eval_ann_info`` too, where there is one.

        Raises:
            BadSampleError: If a file cannot be used.
        """
        from mmdet3d.structures.points import DepthPoints

        path = results['lidar_path']
        rows = read_scene_points(
            path,
            results.get('num_pts_feats', 6),
            may_be_empty=self.on_empty == 'origin',
        )
        if not len(rows):
            _warn_empty(path)
            rows = np.zeros((1, rows.shape[1]), np.float32)
        color = dict(color=[3, 4, 5]) if self.use_dim == 6 else None
        results['points'] = DepthPoints(
            torch.from_numpy(rows[:, : self.use_dim].copy()),
            points_dim=self.use_dim,
            attribute_dims=color,
        )
        if self.with_boxes and 'ann_info' in results:
            for key in ('gt_bboxes_3d', 'gt_labels_3d'):
                results[key] = results['ann_info'][key]
        for key, wanted in self.masks.items():
            if wanted:
                self._load_mask(results, key, len(rows))
        return results

    @staticmethod
    def _load_mask(results: dict, key: str, num_points: int) -> None:
        count = None
        if key == 'pts_semantic_mask':
            count = len(results['seg_label_mapping'])
        mask = read_scene_mask(results[f'{key}_path'], num_points, count)
        results[key] = mask
        if 'eval_ann_info' in results:
            results['eval_ann_info'][key] = mask


@functools.cache
def _warn_empty(path: str) -> None:
    """Say once of a scene that it has no points."""
    print_log(
        f'{path}: empty, the scene gets a single point at the origin',
        logger='current',
        level=logging.WARNING,
    )
