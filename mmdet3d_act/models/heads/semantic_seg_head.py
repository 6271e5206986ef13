"""Predicts a class of every point from the features of patches.

Letters: B batch, N points, G patches, C channels, D channels of a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import FeaturePropagation
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class SemanticSegHead(BaseModule):
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
    2023, released segmentation code.

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
        super().__init__(init_cfg)
        if len(channels) != 2:
            raise ValueError(
                'channels must be the widths of the two layers before the '
                f'logits, got {tuple(channels)}'
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.ignore_index = ignore_index
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
        # Needed in training only, where the config or the data give it.
        self.register_buffer('class_weight', None, persistent=False)
        if class_weight is not None:
            self.set_class_weight(class_weight)
        self._reset_parameters()

    @property
    def cloud_channels(self) -> int:
        """Width D of what is known of a whole cloud."""
        return 2 * self.in_channels

    def set_class_weight(self, class_weight: Sequence[float]) -> None:
        """Give every class a weight in the loss.

        Args:
            class_weight: (num_classes,), all >= 0.

        Raises:
            ValueError: If their number or a sign is wrong.
        """
        weight = torch.as_tensor(class_weight, dtype=torch.float32)
        if weight.shape != (self.num_classes,) or not (weight >= 0).all():
            raise ValueError(
                f'class_weight must be {self.num_classes} numbers >= 0, one '
                f'for each class, got {weight.tolist()}'
            )
        self.class_weight = weight.to(self.fc3.weight.device)

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
        # Released weights read [point, cloud], in this order; what is the
        # same for all points is applied once a cloud.
        weight = self.fc1.weight
        shared = F.linear(cloud, weight[:, local:], self.fc1.bias)
        x = F.linear(x, weight[:, :local]) + shared.unsqueeze(1)
        x = self.dropout(F.relu(self.norm1(x.flatten(0, 1))))
        x = self.fc3(F.relu(self.norm2(self.fc2(x))))  # (B*N, num_classes)
        return x.view(batch, num_points, -1).transpose(1, 2)

    def loss(
        self,
        feats: dict,
        data_samples: list,
        train_cfg: dict | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss, and the share of points that are right.

        Args:
            feats: See :meth:`forward`.
            data_samples: One a cloud, with ``gt_pts_seg.pts_semantic_mask``
                (N,), int64.
            train_cfg: Not used; MMDetection3D's segmentors pass it.

        Returns:
            ``loss_sem_seg``: the mean cross-entropy over the points, weighted
            by class; ``accuracy``: 0 to 1.
        """
        return self.loss_by_feat(self(feats), data_samples)

    def loss_by_feat(
        self, logits: Tensor, data_samples: list
    ) -> dict[str, Tensor]:
        """Return the losses of logits, (B, num_classes, N)."""
        target = torch.stack(
            [sample.gt_pts_seg.pts_semantic_mask for sample in data_samples]
        )
        self._check_target(target, logits)
        counted = target != self.ignore_index
        labels = target.where(counted, 0)
        with torch.autocast(target.device.type, enabled=False):
            losses = F.cross_entropy(
                logits.float(), labels, self.class_weight, reduction='none'
            )
        weight = counted.float()
        if self.class_weight is not None:
            weight = weight * self.class_weight[labels]
        correct = (logits.detach().argmax(1) == target) & counted
        return {
            # Without any labelled point the loss is 0.
            'loss_sem_seg': (losses * counted).sum()
            / weight.sum().clamp_min(1e-12),
            'accuracy': correct.sum() / counted.sum().clamp_min(1),
        }

    def predict(
        self,
        feats: dict,
        batch_input_metas: list[dict] | None = None,
        test_cfg: dict | None = None,
    ) -> Tensor:
        """Return the logits, (B, num_classes, N).

        Args:
            feats: See :meth:`forward`.
            batch_input_metas: Not used, as the next.
            test_cfg: MMDetection3D's segmentors pass them.
        """
        return self(feats)

    def _tokens(self, feats: dict) -> Tensor:
        features = feats.get('hidden_states') or feats['fp_features'][-1:]
        tokens = torch.cat(list(features), dim=1).transpose(1, 2)
        if tokens.shape[-1] != self.in_channels:
            raise ValueError(
                f'{type(self).__name__} expects features of in_channels='
                f'{self.in_channels} channels, got '
                f'{[value.shape[1] for value in features]}; set in_channels '
                'to their sum, or out_indices of the backbone'
            )
        return tokens

    def _cloud(self, tokens: Tensor, feats: dict) -> Tensor:
        """Return what is known of the whole cloud, (B, D)."""
        return torch.cat([tokens.amax(dim=1), tokens.mean(dim=1)], dim=-1)

    def _check_target(self, target: Tensor, logits: Tensor) -> None:
        if target.shape != (logits.shape[0], logits.shape[2]):
            raise ValueError(
                'expected a label of every point, (B, N) = '
                f'{(logits.shape[0], logits.shape[2])}, got '
                f'{tuple(target.shape)}; every transform that chooses points '
                'must choose pts_semantic_mask alike'
            )
        # On a GPU the look would wait for the device, in every step.
        if target.is_cuda:
            return
        wrong = target[target != self.ignore_index]
        wrong = wrong[(wrong < 0) | (wrong >= self.num_classes)]
        if len(wrong):
            raise ValueError(
                f'labels must be 0 to {self.num_classes - 1}, or ignore_index'
                f'={self.ignore_index}, got {wrong.unique().tolist()[:8]}; '
                'set num_classes, or mend the labels'
            )

    def _reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
