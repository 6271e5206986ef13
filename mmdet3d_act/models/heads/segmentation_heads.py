"""Predict a class, or a part, of every point from features of patches.

Letters: B batch, N points, G patches, C channels, D channels of a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.heads.point_decode_head import PointDecodeHead
from mmdet3d_act.models.layers import FeaturePropagation, init_linears
from mmdet3d_act.ops import require
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
        **options: See :class:`PointDecodeHead`.

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
        **options: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **options)
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


@MODELS.register_module()
class PartSegHead(SemanticSegHead):
    """Decode head that also knows the category of the object.

    A linear layer with batch norm and leaky ReLU embeds the category; the
    embedding joins what is known of the cloud. Everything else is as in
    :class:`SemanticSegHead`. The logits are of the parts of all categories;
    :class:`~mmdet3d_act.evaluation.PartSegMetric` compares those of the
    object's own, as published.

    Example:
        >>> points = torch.rand(2, 256, 3)
        >>> centers, features = points[:, :16], torch.rand(2, 1152, 16)
        >>> feats = dict(
        ...     sa_xyz=[points], fp_xyz=[centers], fp_features=[features],
        ...     shape_label=torch.tensor([0, 3]),
        ... )
        >>> PartSegHead(num_classes=50, num_categories=16)(feats).shape
        torch.Size([2, 50, 256])

    Args:
        num_classes: Parts of all categories.
        num_categories: Categories of the objects.
        category_channels: Width of the category's embedding.
        **options: See :class:`SemanticSegHead`.
    """

    def __init__(
        self,
        num_classes: int = 50,
        num_categories: int = 16,
        *,
        category_channels: int = 64,
        **options: Any,
    ) -> None:
        self.num_categories = num_categories
        self.category_channels = category_channels
        super().__init__(num_classes, **options)
        self.category_fc = nn.Linear(
            num_categories, category_channels, bias=False
        )
        self.category_norm = nn.BatchNorm1d(category_channels)
        nn.init.trunc_normal_(self.category_fc.weight, std=0.02)

    @property
    def cloud_channels(self) -> int:
        """Width D of what is known of a whole cloud."""
        return super().cloud_channels + self.category_channels

    def _cloud(self, tokens: Tensor, feats: dict) -> Tensor:
        label = self._shape_label(feats, tokens.shape[0])
        if self.training and label.shape[0] < 2:
            raise ValueError(
                'PartSegHead needs two objects or more in a training batch, '
                "whose categories' batch norm has no statistics of one; set "
                'drop_last=True on the data loader, or another batch_size'
            )
        # The layer's product with a one-hot category is a column of it.
        category = self.category_norm(self.category_fc.weight.t()[label])
        category = F.leaky_relu(category, 0.2)
        return torch.cat([super()._cloud(tokens, feats), category], dim=-1)

    def _shape_label(self, feats: dict, batch: int) -> Tensor:
        label = feats.get('shape_label')
        if label is None:
            raise ValueError(
                "PartSegHead needs feats['shape_label'], the category of each "
                f'object, got only {sorted(feats)}; use PointSegmentor, and a '
                'data set and PackPointInputs that give shape_label'
            )
        label = label.reshape(-1)
        if label.shape[0] != batch:
            raise ValueError(
                f'expected a shape_label of each of {batch} objects, got '
                f'{label.shape[0]}'
            )
        require(
            (label >= 0) & (label < self.num_categories),
            f'shape_label must be 0 to {self.num_categories - 1}; set '
            'num_categories, or mend the labels',
            label,
        )
        return label
