"""Predicts the part that every point of an object belongs to.

Letters: B batch, N points, G patches, C channels, D channels of a cloud.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.heads.semantic_seg_head import SemanticSegHead
from mmdet3d_act.ops import require
from mmdet3d_act.registry import MODELS


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
        label = self._shape_label(feats, len(tokens))
        if self.training and len(label) < 2:
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
        if len(label) != batch:
            raise ValueError(
                f'expected a shape_label of each of {batch} objects, got '
                f'{len(label)}'
            )
        require(
            (label >= 0) & (label < self.num_categories),
            f'shape_label must be 0 to {self.num_categories - 1}; set '
            'num_categories, or mend the labels',
            label,
        )
        return label
