"""Predicts a class of every point from the features of patches.

Letters: B batch, N points, G patches, C channels, D channels of a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.heads.point_decode_head import PointDecodeHead
from mmdet3d_act.models.layers import FeaturePropagation, init_linears
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class SemanticSegHead(PointDecodeHead):
    """Decode head of the published segmentation networks.

    The features of several blocks are concatenated, interpolated at the
    points, joined with their maximum and mean over the patches, and turned
    into logits by three layers, the first two with batch norm and ReLU,
    dropout after the first.

    It reads the dict that backbones return, as MMDetection3D's decode heads
    do, and has their methods, so it also works in MMDetection3D's
    `EncoderDecoder3D`. With a backbone that knows no ``hidden_states`` the
    last of ``fp_features`` is taken.

    Source: Pang et al., Point-MAE, ECCV 2022, and Dong et al., ACT, ICLR
    2023, published segmentation code.

    Example:
        >>> points = torch.rand(2, 256, 3)
        >>> centers, features = points[:, :16], torch.rand(2, 1152, 16)
        >>> feats = dict(
        ...     sa_xyz=[points], fp_xyz=[centers], fp_features=[features]
        ... )
        >>> SemanticSegHead(num_classes=13)(feats).shape
        torch.Size([2, 13, 256])

    Args:
        num_classes: Classes of the points.
        in_channels: Width C of all concatenated features.
        propagation_channels: Widths of the layers after the interpolation.
        channels: Widths of the two layers before the logits.
        dropout_ratio: Of the dropout between them.
        class_weight: Weight of every class in the loss, equal by default;
            see :class:`~mmdet3d_act.engine.hooks.ClassWeightHook`.
        ignore_index: Label of points that do not count.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If there are not as many weights as classes, or not two
            ``channels``.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1152,
        propagation_channels: Sequence[int] = (1536, 1024),
        channels: Sequence[int] = (512, 256),
        dropout_ratio: float = 0.5,
        class_weight: Sequence[float] | None = None,
        ignore_index: int = 255,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            num_classes,
            in_channels,
            class_weight=class_weight,
            ignore_index=ignore_index,
            init_cfg=init_cfg,
        )
        if len(channels) != 2:
            raise ValueError(
                'channels must be the widths of the two layers before the '
                f'logits, got {tuple(channels)}'
            )
        self.propagation = FeaturePropagation(
            in_channels, tuple(propagation_channels)
        )
        self.fc1 = nn.Linear(
            propagation_channels[-1] + self.cloud_channels, channels[0]
        )
        self.norm1 = nn.BatchNorm1d(channels[0])
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc2 = nn.Linear(channels[0], channels[1])
        self.norm2 = nn.BatchNorm1d(channels[1])
        self.fc3 = nn.Linear(channels[1], num_classes)
        init_linears(self)

    @property
    def cloud_channels(self) -> int:
        """Width D of what is known of a whole cloud."""
        return 2 * self.in_channels

    def forward(self, feats: dict) -> Tensor:
        """Return the logits, (B, num_classes, N).

        Args:
            feats: What the backbone returns: ``sa_xyz`` (its first entry are
                the points, (B, N, 3)), ``fp_xyz`` (the last: the centres, (B,
                G, 3)), and ``hidden_states``, each (B, C_i, G), or
                ``fp_features`` (the last: (B, C, G)).

        Raises:
            ValueError: If the features do not have ``in_channels`` channels
                altogether.
        """
        tokens = self._tokens(feats)  # (B, G, C)
        cloud = self._cloud(tokens, feats)  # (B, D)
        x = self.propagation(feats['sa_xyz'][0], feats['fp_xyz'][-1], tokens)
        batch, num_points, local = x.shape
        # Published weights read [point, cloud], in this order; what is the
        # same for all points is applied once a cloud.
        weight = self.fc1.weight
        shared = F.linear(cloud, weight[:, local:], self.fc1.bias)
        x = F.linear(x, weight[:, :local]) + shared.unsqueeze(1)
        x = self.dropout(F.relu(self.norm1(x.flatten(0, 1))))
        x = self.fc3(F.relu(self.norm2(self.fc2(x))))  # (B*N, num_classes)
        return x.view(batch, num_points, -1).transpose(1, 2)

    def _cloud(self, tokens: Tensor, feats: dict) -> Tensor:
        """Pool the features of the whole cloud, (B, D)."""
        return torch.cat([tokens.amax(dim=1), tokens.mean(dim=1)], dim=-1)
