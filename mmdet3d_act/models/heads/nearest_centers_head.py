"""Predicts a class of every point from the three patches around it.

Letters: B batch, N points, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.heads.point_decode_head import PointDecodeHead
from mmdet3d_act.models.layers import init_linears
from mmdet3d_act.ops import gather_points, three_nn
from mmdet3d_act.registry import MODELS

NUM_CENTERS = 3


@MODELS.register_module()
class NearestCentersHead(PointDecodeHead):
    """Concatenates the features of the three nearest centres of a point.

    Two blocks of a pointwise convolution, batch norm and ReLU, dropout, and a
    layer of logits follow. What a point is told depends on which three
    centres are near, nearest first, and on nothing else: logits are constant
    over the cells of the centres. ``with_coordinates`` adds where in its cell
    the point lies: its offsets from the three centres.

    The first convolution is applied to the centres, once for each of the
    three places, and its outputs are added up at the points: the result is
    the same, and (B, 3C, N) is never stored.

    It reads the dict that backbones return: ``hidden_states``, or the last of
    ``fp_features`` where there are none.

    Source: concept distillation paper, section on semantic segmentation, after
    the segmentation head of Wang et al., DGCNN, ACM TOG 2019. Widths are not
    given there: those are of MMDetection3D's `DGCNNHead`.

    Example:
        >>> points = torch.rand(2, 256, 3)
        >>> centers, features = points[:, :16], torch.rand(2, 384, 16)
        >>> feats = dict(
        ...     sa_xyz=[points], fp_xyz=[centers], fp_features=[features]
        ... )
        >>> NearestCentersHead(num_classes=20)(feats).shape
        torch.Size([2, 20, 256])

    Args:
        num_classes: Classes of the points.
        in_channels: Width C of all concatenated features of a patch.
        channels: Widths of the two blocks.
        with_coordinates: Whether a point's offsets from its three centres, 9
            numbers, stand beside their features.
        dropout_ratio: Of the dropout before the logits.
        **options: See :class:`PointDecodeHead`.

    Raises:
        ValueError: If there are not two ``channels``, or not as many weights
            as classes.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 384,
        channels: Sequence[int] = (512, 256),
        with_coordinates: bool = False,
        dropout_ratio: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **options)
        if len(channels) != 2:
            raise ValueError(
                'channels must be the widths of the two blocks before the '
                f'logits, got {tuple(channels)}'
            )
        self.with_coordinates = with_coordinates
        width = NUM_CENTERS * (in_channels + 3 * with_coordinates)
        # Batch norm makes a bias of the layer before it void.
        self.fc1 = nn.Linear(width, channels[0], bias=False)
        self.norm1 = nn.BatchNorm1d(channels[0])
        self.fc2 = nn.Linear(channels[0], channels[1], bias=False)
        self.norm2 = nn.BatchNorm1d(channels[1])
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc3 = nn.Linear(channels[1], num_classes)
        init_linears(self)

    def forward(self, feats: dict) -> Tensor:
        """Return the logits, (B, num_classes, N).

        Args:
            feats: What the backbone returns: ``sa_xyz`` (its first entry are
                the points, (B, N, 3)), ``fp_xyz`` (the last: the centres, (B,
                G, 3)), and ``hidden_states``, each (B, C_i, G), or
                ``fp_features`` (the last: (B, C, G)).

        Raises:
            ValueError: If the features do not have ``in_channels`` channels
                altogether, or there are fewer than three centres.
        """
        tokens = self._tokens(feats)  # (B, G, C)
        points, centers = feats['sa_xyz'][0], feats['fp_xyz'][-1]
        if centers.shape[1] < NUM_CENTERS:
            raise ValueError(
                f'{type(self).__name__} needs {NUM_CENTERS} centres or more, '
                f'got {centers.shape[1]}; raise num_groups of the backbone'
            )
        _, nearest = three_nn(points, centers)  # (B, N, 3)
        x = self._first(points, centers, tokens, nearest).flatten(0, 1)
        x = F.relu(self.norm1(x))
        x = F.relu(self.norm2(self.fc2(x)))
        x = self.fc3(self.dropout(x))  # (B*N, num_classes)
        return x.view(*points.shape[:2], -1).transpose(1, 2)

    def _first(
        self,
        points: Tensor,
        centers: Tensor,
        tokens: Tensor,
        nearest: Tensor,
    ) -> Tensor:
        """Return the first layer's output at the points, (B, N, C1)."""
        batch, num_groups, channels = tokens.shape
        width = NUM_CENTERS * channels
        weight = self.fc1.weight
        places = weight[:, :width].unflatten(1, (NUM_CENTERS, channels))
        table = torch.einsum('bgc,okc->bgko', tokens, places)
        # Rows of the table: cloud, centre, place.
        rows = nearest * NUM_CENTERS
        rows = rows + torch.arange(NUM_CENTERS, device=rows.device)
        first = torch.arange(batch, device=rows.device) * num_groups
        rows = rows + (first * NUM_CENTERS)[:, None, None]
        x = F.embedding_bag(
            rows.flatten(0, 1), table.flatten(0, 2), mode='sum'
        )
        x = x.view(batch, points.shape[1], -1)
        if self.with_coordinates:
            around = gather_points(centers, nearest)  # (B, N, 3, 3)
            offsets = (points.unsqueeze(2) - around).flatten(2)
            x = x + F.linear(offsets, weight[:, width:])
        return x
