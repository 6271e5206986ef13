"""Packing a sample for the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.registry import TRANSFORMS

INPUT_KEYS = ('points', 'center_indices', 'neighbor_indices')
META_KEYS = ('sample_idx', 'split', 'category', 'lidar_path')


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
        """Return the packed sample.

        Args:
            results: With ``points`` (N, 3 + F), and where known ``gt_label``
                (int), ``center_indices`` (G,), ``neighbor_indices`` (G, K).

        Returns:
            ``inputs``, a dict of tensors, and ``data_samples``, a
            `Det3DDataSample` with ``gt_label`` (1,), int64.

        Raises:
            KeyError: If the sample has no points.
        """
        from mmdet3d.structures import Det3DDataSample
        from mmdet3d.structures.points import BasePoints

        if 'points' not in results:
            raise KeyError(
                "PackPointInputs needs results['points']; put LoadPointCloud "
                'before it'
            )
        inputs = {}
        for key in self.input_keys:
            if key in results:
                value = results[key]
                if isinstance(value, BasePoints):
                    value = value.tensor
                inputs[key] = torch.as_tensor(value).contiguous()
        sample = Det3DDataSample()
        sample.set_metainfo(
            {key: results[key] for key in self.meta_keys if key in results}
        )
        if 'gt_label' in results:
            sample.gt_label = torch.tensor(
                [results['gt_label']], dtype=torch.int64
            )
        return dict(inputs=inputs, data_samples=sample)
