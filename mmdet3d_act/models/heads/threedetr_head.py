"""Detects boxes by queries over the features of a scene.

Letters: B batch, G patches, Q queries, L decoder layers, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import FourierPosition, ThreeDETRDecoder
from mmdet3d_act.models.layers.dropout import Dropout
from mmdet3d_act.models.losses import DetectionSetLoss
from mmdet3d_act.models.task_modules import (
    DetectionPostProcessing,
    HungarianSetAssigner,
    ThreeDETRBoxCoder,
)
from mmdet3d_act.ops import farthest_point_sample, gather_points
from mmdet3d_act.registry import MODELS, TASK_UTILS, build_module

# Of the predictions: what is not one for every decoder layer.
PLACES = ('query_xyz', 'scene_range')


T = TypeVar('T')


class SceneProjection(nn.Module):
    """From the width of a backbone to that of the decoder.

    Linear layers without bias, each with batch norm and ReLU.

    Args:
        channels: Widths, the backbone's first and the decoder's last.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(
            nn.Linear(first, second, bias=False)
            for first, second in pairwise(channels)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width) for width in channels[1:]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the projected tokens, (B, G, D), of ``x`` (B, G, C)."""
        batch, length, _ = x.shape
        x = x.flatten(0, 1)
        for fc, norm in zip(self.fcs, self.norms, strict=True):
            x = F.relu(norm(fc(x)))
        return x.view(batch, length, -1)


class QueryPosition(nn.Module):
    """From the position embedding of queries to what the decoder adds.

    Args:
        embed_dims: Width C of both.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dims, embed_dims)
        self.fc2 = nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        """Return the queries, (B, Q, C), of positions ``x`` (B, Q, C)."""
        return F.relu(self.fc2(F.relu(self.fc1(x))))


class BoxMLP(nn.Module):
    """Predicts one property of boxes, for all decoder layers alike.

    Args:
        embed_dims: Width C of the queries and of both hidden layers.
        out_channels: Numbers per box.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self, embed_dims: int, out_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dims, embed_dims, bias=False)
        self.norm1 = nn.BatchNorm1d(embed_dims)
        self.fc2 = nn.Linear(embed_dims, embed_dims, bias=False)
        self.norm2 = nn.BatchNorm1d(embed_dims)
        self.fc3 = nn.Linear(embed_dims, out_channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the predictions, (L, B, Q, out), of ``x`` (L, B, Q, C)."""
        # Batch norm mixes the layers of the decoder, as published.
        flat = x.flatten(0, -2)
        flat = self.dropout(F.relu(self.norm1(self.fc1(flat))))
        flat = self.dropout(F.relu(self.norm2(self.fc2(flat))))
        return self.fc3(flat).view(*x.shape[:-1], -1)


@MODELS.register_module()
class ThreeDETRHead(BaseModule):
    """Decoder and box predictions of 3DETR.

    Queries are farthest-point-sampled from the patches' centres and know
    nothing but their Fourier position (with ``query_features`` also what their
    patch is like); a Transformer decoder lets them read
    the patches; MLPs that all decoder layers share predict the class, the
    centre beside the query, the size and the heading of one box each.

    Source: Misra et al., An End-to-End Transformer Model for 3D Object
    Detection, ICCV 2021.

    Example:
        >>> head = ThreeDETRHead(in_channels=32, num_queries=8, num_layers=2)
        >>> points = torch.rand(2, 100, 3)
        >>> feats = dict(
        ...     sa_xyz=[points],
        ...     centers=points[:, :16],
        ...     features=torch.rand(2, 32, 16),
        ... )
        >>> head(feats)['cls_logits'].shape
        torch.Size([2, 2, 8, 19])

    Args:
        num_classes: Classes of boxes.
        in_channels: Width of the backbone.
        embed_dims: Width C of the decoder.
        num_queries: Boxes Q that are predicted in every scene.
        num_layers: Decoder layers L.
        num_heads: Attention heads.
        feedforward_dims: Hidden width of the decoder's MLPs.
        dropout: Of the decoder.
        head_dropout: Of the MLPs that predict boxes.
        projection_channels: Hidden widths of the projection; None means
            twice the width of the backbone, as with 3DETR's encoder. 3DETR-m
            has one hidden layer.
        query_features: Whether the queries begin as the projected features of
            the patches that they are the centres of, instead of zeros. Not
            in 3DETR; a short training comes much further.
        num_angle_bins: Bins of the heading; 1 where boxes have none.
        skip_origin: Whether farthest point sampling of the queries skips
            points close to the origin, as published code does.
        box_coder: Config or object: from predictions to boxes and back.
        assigner: Config or object: which query is to predict which box.
        loss: Config or module of the loss.
        post_processing: Config or object: from boxes to detections. Without
            a config these four are those of ScanNet.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        num_classes: int = 18,
        *,
        in_channels: int = 384,
        embed_dims: int = 256,
        num_queries: int = 256,
        num_layers: int = 8,
        num_heads: int = 4,
        feedforward_dims: int = 256,
        dropout: float = 0.1,
        head_dropout: float = 0.3,
        projection_channels: Sequence[int] | None = None,
        query_features: bool = False,
        num_angle_bins: int = 1,
        skip_origin: bool = False,
        box_coder: dict | ThreeDETRBoxCoder | None = None,
        assigner: dict | HungarianSetAssigner | None = None,
        loss: dict | nn.Module | None = None,
        post_processing: dict | DetectionPostProcessing | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        hidden = (
            (in_channels, in_channels)
            if projection_channels is None
            else tuple(projection_channels)
        )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.num_queries = num_queries
        self.query_features = query_features
        self.skip_origin = skip_origin
        self.projection = SceneProjection((in_channels, *hidden, embed_dims))
        self.pos_embed = FourierPosition(embed_dims)
        self.query_embed = QueryPosition(embed_dims)
        self.decoder = ThreeDETRDecoder(
            embed_dims, num_layers, num_heads, feedforward_dims, dropout
        )
        self.cls_mlp = BoxMLP(embed_dims, num_classes + 1, head_dropout)
        self.center_mlp = BoxMLP(embed_dims, 3, head_dropout)
        self.size_mlp = BoxMLP(embed_dims, 3, head_dropout)
        self.angle_cls_mlp = BoxMLP(embed_dims, num_angle_bins, head_dropout)
        self.angle_residual_mlp = BoxMLP(
            embed_dims, num_angle_bins, head_dropout
        )
        self.box_coder = _build(box_coder) or ThreeDETRBoxCoder(num_angle_bins)
        self.assigner = _build(assigner) or HungarianSetAssigner()
        self.set_loss = build_module(loss) or DetectionSetLoss(num_classes)
        for name, part, own in (
            ('num_classes', self.set_loss, num_classes),
            ('num_angle_bins', self.box_coder, num_angle_bins),
        ):
            if getattr(part, name, own) != own:
                raise ValueError(
                    f'{name} is {own} of the head and {getattr(part, name)} '
                    f'of its {type(part).__name__}; give both the same'
                )
        self.post_processing = (
            _build(post_processing) or DetectionPostProcessing()
        )

    def forward(self, feats: dict) -> dict:
        """Return the raw predictions of every decoder layer.

        Args:
            feats: What the backbone returns: ``sa_xyz`` (its first entry are
                the points, (B, N, 3)), ``centers`` (B, G, 3) and ``features``
                (B, in_channels, G).

        Returns:
            ``cls_logits`` (L, B, Q, num_classes + 1), the last for "no
            object"; ``center_offset`` and ``size_logits`` (L, B, Q, 3);
            ``angle_logits`` and ``angle_residual`` (L, B, Q, bins);
            ``query_xyz`` (B, Q, 3); ``scene_range``: least and largest
            coordinates, both (B, 3).

        Raises:
            ValueError: If the features do not have ``in_channels`` channels,
                or there are fewer patches than queries.
        """
        scene_range = scene_extent(feats['sa_xyz'][0])
        rows, queries, query_pos = self.get_queries(
            feats['centers'], scene_range
        )
        scene = self.project(feats['features'])
        scene_pos = self.pos_embed(feats['centers'], scene_range)
        begin = gather_points(scene, rows) if self.query_features else None
        x = self.decoder(query_pos, scene, scene_pos, begin)  # (L, B, Q, C)
        outputs = {
            'cls_logits': self.cls_mlp(x),
            'center_offset': self.center_mlp(x),
            'size_logits': self.size_mlp(x),
            'angle_logits': self.angle_cls_mlp(x),
            'angle_residual': self.angle_residual_mlp(x),
        }
        # Boxes and their losses are computed in full precision.
        outputs = {name: value.float() for name, value in outputs.items()}
        return {**outputs, 'query_xyz': queries, 'scene_range': scene_range}

    def loss(self, feats: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the losses of every decoder layer.

        Args:
            feats: See :meth:`forward`.
            data_samples: One a scene, with ``gt_instances_3d.bboxes_3d`` and
                ``labels_3d``, of any number of boxes.

        Raises:
            ValueError: If a label is no class.
        """
        return self.loss_by_feat(self(feats), data_samples)

    def loss_by_feat(
        self, outputs: dict, data_samples: list
    ) -> dict[str, Tensor]:
        """Return the losses of raw predictions, see :meth:`forward`."""
        with torch.autocast(outputs['query_xyz'].device.type, enabled=False):
            decoded = self.box_coder.decode(outputs)
            targets = self.box_coder.encode(
                [sample.gt_instances_3d for sample in data_samples],
                outputs['scene_range'],
            )
            assignment = self.assigner.assign(decoded, targets)
            losses = self.set_loss(decoded, targets, assignment)
        # No loss may read a heading that boxes do not have, or a term of
        # weight 0; distributed training and weight decay need a gradient of 0
        # then, not none.
        unread = sum(
            value.sum()
            for name, value in outputs.items()
            if name not in PLACES
        )
        first = next(name for name in losses if 'loss' in name)
        return {**losses, first: losses[first] + 0 * unread}

    def predict(
        self, feats: dict, points: Tensor | Sequence[Tensor] | None = None
    ) -> list:
        """Return the detections of every scene, as instance data.

        Args:
            feats: See :meth:`forward`.
            points: Of the scenes, (B, N, 3+F) or a list of (N, 3+F), where
                they are not those of ``feats``: empty boxes are dropped.

        Returns:
            Each with ``bboxes_3d``, ``scores_3d`` and ``labels_3d``.
        """
        points = feats['sa_xyz'][0] if points is None else points
        return self.predict_by_feat(self(feats), points)

    def predict_by_feat(
        self, outputs: dict, points: Tensor | Sequence[Tensor]
    ) -> list:
        """Return the detections of raw predictions.

        Args:
            outputs: See :meth:`forward`.
            points: See :meth:`predict`.
        """
        last = {
            name: value if name in PLACES else value[-1]
            for name, value in outputs.items()
        }
        return self.post_processing(self.box_coder.decode(last), points)

    def get_queries(
        self, centers: Tensor, scene_range: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the queries among the patches' centres.

        Args:
            centers: Centres of the patches, (B, G, 3).
            scene_range: Least and largest coordinates, both (B, 3).

        Returns:
            Which centres they are, (B, Q) indices; where they are, (B, Q, 3);
            and the embedding of that, (B, Q, C).

        Raises:
            ValueError: If there are fewer patches than queries.
        """
        if centers.shape[1] < self.num_queries:
            raise ValueError(
                f'{self.num_queries} queries are chosen among the centres of '
                f'the patches, got {centers.shape[1]} patches; lower '
                'num_queries or raise num_groups of the backbone'
            )
        rows = farthest_point_sample(
            centers, self.num_queries, skip_origin=self.skip_origin
        )
        queries = gather_points(centers, rows)
        embedding = self.query_embed(self.pos_embed(queries, scene_range))
        return rows, queries, embedding

    def project(self, features: Tensor) -> Tensor:
        """Project patch features for the decoder, (B, G, C).

        Args:
            features: Of the patches, (B, in_channels, G).
        """
        if features.shape[1] != self.in_channels:
            raise ValueError(
                f'ThreeDETRHead expects features of in_channels='
                f'{self.in_channels} channels, got {features.shape[1]}; set '
                'in_channels to the embed_dims of the backbone'
            )
        return self.projection(features.transpose(1, 2))


def _build(part: T | dict | None) -> T | None:
    """Return a task module, built from its config where it is one."""
    return TASK_UTILS.build(part) if isinstance(part, dict) else part


def scene_extent(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and largest coordinates of scenes, both (B, 3).

    Args:
        points: (B, N, 3).
    """
    return points.amin(dim=1), points.amax(dim=1)
