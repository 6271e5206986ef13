"""Gives the features of patches the width that a stock head wants.

Letters: B batch, G patches, C channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import nn

from mmdet3d_act.ops import three_interpolate
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PatchProjection(BaseModule):
    """Projects a backbone's features for the heads of MMDetection3D.

    A pointwise convolution with batch norm and ReLU, as at the end of the
    backbones that those heads were made for. H3DNet finds the same under the
    names of its own four networks (``hd_feature``, ``fp_xyz_net0``).

    Example:
        >>> from mmdet3d_act.models.backbones import PointTransformer
        >>> backbone = PointTransformer(num_layers=2, num_groups=16)
        >>> feats = PatchProjection()(backbone(torch.rand(2, 256, 3)))
        >>> (last,) = feats['fp_features']
        >>> last.shape
        torch.Size([2, 256, 16])

    Args:
        in_channels: Width C of the features.
        out_channels: Width that the head asks for.
        per_point: Whether every point gets features too, interpolated from
            its three nearest centres: ``fa_points`` (B, N, out_channels),
            which DGCNN's head reads.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        in_channels: int = 384,
        out_channels: int = 256,
        *,
        per_point: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.per_point = per_point
        self.conv = nn.Conv1d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(self, feats: dict) -> dict:
        """Return the dict with projected features.

        Args:
            feats: What the backbone returns. The last of ``fp_features``,
                (B, C, G), is projected, and takes the place of the last of
                ``sa_features`` and of ``features`` too.

        Raises:
            ValueError: If the features do not have ``in_channels`` channels.
        """
        features = feats['fp_features'][-1]
        if features.shape[1] != self.conv.in_channels:
            raise ValueError(
                f'PatchProjection expects features of in_channels='
                f'{self.conv.in_channels} channels, got {features.shape[1]}; '
                'set in_channels to the embed_dims of the backbone'
            )
        projected = F.relu(self.norm(self.conv(features)))
        found = {
            **feats,
            'features': projected,
            'fp_features': [*feats['fp_features'][:-1], projected],
            'sa_features': [*feats['sa_features'][:-1], projected],
            'hd_feature': projected,
            'fp_xyz_net0': feats['fp_xyz'],
            'fp_indices_net0': feats['fp_indices'],
        }
        if self.per_point:
            found['fa_points'] = three_interpolate(
                feats['sa_xyz'][0], feats['centers'], projected.mT
            )
        return found
