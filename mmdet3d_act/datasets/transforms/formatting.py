"""Packing a sample for the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet3d_act.datasets.transforms.loading import file_of
from mmdet3d_act.datasets.transforms.sampling import (
    MASK_KEYS,
    PER_POINT_KEYS,
    check_per_point,
)
from mmdet3d_act.registry import TRANSFORMS

INPUT_KEYS = (
    'points',
    'center_indices',
    'neighbor_indices',
    'shape_label',
    'images',
    'pixels',
    'vectors',
)
META_KEYS = (
    'sample_idx',
    'pair_key',
    'split',
    'category',
    'shape_category',
    'lidar_path',
    'num_pts_feats',
    'offset',
    'axis_align_matrix',
    'box_mode_3d',
    'box_type_3d',
    'pcd_horizontal_flip',
    'pcd_rotation_angle',
    'pcd_vertical_flip',
)


@TRANSFORMS.register_module()
class PackPointInputs(BaseTransform):
    """Packs what models need and what metrics want to know.

    MMDetection3D's `Pack3DDetInputs` refuses labels of whole clouds.

    Args:
        input_keys: Keys that go into ``inputs``, where the sample has them.
        meta_keys: Keys that go into the data sample's meta information,
            where the sample has them.

    Example:
        >>> packed = PackPointInputs()(results)
        >>> packed['inputs']['points'].shape
        torch.Size([1024, 3])
        >>> packed['data_samples'].split
        'train'
    """

    def __init__(
        self,
        input_keys: Sequence[str] = INPUT_KEYS,
        meta_keys: Sequence[str] = META_KEYS,
    ) -> None:
        self.input_keys = tuple(input_keys)
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack a sample.

        Args:
            results: With ``points`` (N, 3 + F), and where known ``gt_label``
                (int), ``shape_label`` (int), ``center_indices`` (G,),
                ``neighbor_indices`` (G, K), of the paired image ``images``
                (3, S, S), uint8, ``pixels`` (N, 2) and ``vectors`` (D,), per
                point ``pts_semantic_mask`` and ``pts_instance_mask`` (N,),
                boxes ``gt_bboxes_3d`` with ``gt_labels_3d`` (M,), and what a
                metric of MMDetection3D compares with, ``eval_ann_info``.

        Returns:
            ``inputs``, a dict of tensors, and ``data_samples``, a
            `Det3DDataSample` with ``gt_label`` (1,), int64,
            ``gt_pts_seg`` with the masks (N,), int64, ``gt_instances_3d``
            with ``bboxes_3d`` and ``labels_3d`` (M,), int64, and
            ``eval_ann_info``, each where known.

        Raises:
            ValueError: If points are not finite, or a mask or the pixels have
                not as many entries as there are points.
        """
        from mmdet3d.structures import Det3DDataSample, PointData

        file_of(results)
        for key in PER_POINT_KEYS:
            if key in results:
                check_per_point(results, key)
        inputs = {
            key: _to_tensor(results[key])
            for key in self.input_keys
            if key in results
        }
        # The one look at the numbers: on the CPU, with the file's name.
        if not inputs['points'].isfinite().all():
            raise ValueError(
                'points must be finite after the pipeline, got NaN or infinity'
            )
        sample = Det3DDataSample()
        sample.set_metainfo(
            {key: results[key] for key in self.meta_keys if key in results}
        )
        if 'gt_label' in results:
            sample.gt_label = torch.tensor(
                [results['gt_label']], dtype=torch.int64
            )
        masks = [key for key in MASK_KEYS if key in results]
        if masks:
            sample.gt_pts_seg = PointData(
                **{k: torch.as_tensor(results[k]).long() for k in masks}
            )
        if 'gt_bboxes_3d' in results:
            labels = torch.as_tensor(
                results['gt_labels_3d'], dtype=torch.int64
            )
            sample.gt_instances_3d = InstanceData(
                bboxes_3d=results['gt_bboxes_3d'], labels_3d=labels
            )
        if 'eval_ann_info' in results:
            sample.eval_ann_info = results['eval_ann_info']
        return dict(inputs=inputs, data_samples=sample)


def _to_tensor(value: object) -> Tensor:
    # Points are MMDetection3D's.
    return torch.as_tensor(getattr(value, 'tensor', value)).contiguous()
