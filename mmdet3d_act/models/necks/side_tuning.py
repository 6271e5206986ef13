"""A small network beside a frozen one.

Letters: B batch, G patches, K points of a patch, C channels.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import nn

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import MiniPointNet, PointPatches
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class SideTuning(BaseModule):
    """Blends the patches' features with those of a small trained network.

    s * features + (1 - s) * side, where the side network is a mini-PointNet
    with a linear layer, and s = sigmoid(alpha) is learned from 0.5 on. The
    class token stays as it is.

    Source: Zhang et al., Side-Tuning, ECCV 2020; its form is that of
    published ACT.

    Example:
        >>> from mmdet3d_act.models.backbones import PointTransformer
        >>> backbone = PointTransformer(num_layers=2, num_groups=16)
        >>> patches = backbone.group(torch.rand(2, 256, 3))
        >>> neck = SideTuning(384)
        >>> neck(backbone.encode(patches), patches).features.shape
        torch.Size([2, 16, 384])

    Args:
        embed_dims: Width C, that of the backbone.
        in_channels: Channels of a point.
        patch_channels: See :class:`~mmdet3d_act.models.layers.MiniPointNet`.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        in_channels: int = 3,
        *,
        patch_channels: tuple[int, int, int] = (128, 256, 512),
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1))
        self.patch_embed = MiniPointNet(
            embed_dims, in_channels, tuple(patch_channels)
        )
        self.proj = nn.Linear(embed_dims, embed_dims, bias=False)

    def forward(
        self, encoded: EncodedPatches, patches: PointPatches
    ) -> EncodedPatches:
        """Return the encoded patches with blended ``features`` (B, G, C).

        Args:
            encoded: All patches of the clouds, encoded.
            patches: The same patches, with neighbourhoods (B, G, K,
                in_channels).
        """
        side = self.proj(self.patch_embed(patches.neighborhoods))
        share = torch.sigmoid(self.alpha)
        features = share * encoded.features + (1 - share) * side
        return encoded._replace(features=features)
