"""What decode heads of points have in common: labels, losses, predictions.

Letters: B batch, N points, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.ops import require


class PointDecodeHead(BaseModule):
    """Base of heads that turn features of patches into logits of points.

    A subclass has ``forward(feats)``, which returns (B, num_classes, N). The
    methods are those of MMDetection3D's decode heads, so that subclasses also
    work in its `EncoderDecoder3D`.

    Args:
        num_classes: Classes of the points.
        in_channels: Width C of all concatenated features of a patch.
        class_weight: Weight of every class in the loss, equal by default;
            see :class:`~mmdet3d_act.engine.hooks.ClassWeightHook`.
        ignore_index: Label of points that do not count.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If there are not as many weights as classes.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        class_weight: Sequence[float] | None = None,
        ignore_index: int = 255,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.ignore_index = ignore_index
        # Needed in training only, where the config or the data give it.
        self.register_buffer('class_weight', None, persistent=False)
        if class_weight is not None:
            self.set_class_weight(class_weight)

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
        first = next(self.parameters(), weight)
        self.class_weight = weight.to(first.device)

    def forward(self, feats: dict) -> Tensor:
        """Return the logits, (B, num_classes, N).

        Args:
            feats: What the backbone returns.

        Raises:
            NotImplementedError: If a subclass does not say how.
        """
        raise NotImplementedError(
            f'{type(self).__name__} must define forward(feats), from the dict '
            'of a backbone to logits (B, num_classes, N)'
        )

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
        correct = (logits.argmax(1) == target) & counted
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

    def _check_target(self, target: Tensor, logits: Tensor) -> None:
        if target.shape != (logits.shape[0], logits.shape[2]):
            raise ValueError(
                'expected a label of every point, (B, N) = '
                f'{(logits.shape[0], logits.shape[2])}, got '
                f'{tuple(target.shape)}; every transform that chooses points '
                'must choose pts_semantic_mask alike'
            )
        known = (target >= 0) & (target < self.num_classes)
        require(
            known | (target == self.ignore_index),
            f'labels must be 0 to {self.num_classes - 1}, or ignore_index='
            f'{self.ignore_index}; set num_classes, or mend the labels',
            target,
        )
