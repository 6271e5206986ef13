"""Predicts the class of a cloud from its features.

Letters: B batch, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.ops import require
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_least

HIDDEN_DIMS = (256, 256)


@MODELS.register_module()
class ClassificationHead(BaseModule):
    """Multi-layer perceptron and cross-entropy.

    Every hidden layer is linear, batch norm, ReLU, dropout. Without hidden
    layers it is a linear classifier. Its weights begin as PyTorch's layers
    do, as in published code; for a backbone from scratch see docs/design.md.

    Source: Pang et al., Point-MAE, ECCV 2022, section 4.2; Dong et al., ACT,
    ICLR 2023, table 2 (MLP-3, MLP-LINEAR).

    Example:
        >>> head = ClassificationHead(768, num_classes=15)
        >>> head.eval()(torch.rand(2, 768)).shape
        torch.Size([2, 15])

    Args:
        in_channels: Width C of the features.
        num_classes: Number of classes.
        hidden_dims: Widths of the hidden layers; none for a linear
            classifier.
        dropout: Probability of dropping an activation of a hidden layer.

    Raises:
        ValueError: If there are fewer than two classes.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        hidden_dims: Sequence[int] = HIDDEN_DIMS,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_least('num_classes', num_classes, 2)
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.hidden_dims = tuple(hidden_dims)
        layers: list[nn.Module] = []
        for width in self.hidden_dims:
            layers += [
                nn.Linear(in_channels, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            in_channels = width
        self.layers = nn.Sequential(
            *layers, nn.Linear(in_channels, num_classes)
        )

    def forward(self, feats: Tensor) -> Tensor:
        """Return the logits, (B, num_classes), of ``feats`` (B, C).

        Raises:
            ValueError: If the features do not have ``in_channels`` channels.
        """
        if feats.shape[-1] != self.in_channels:
            raise ValueError(
                f'in_channels must be the width of the features, '
                f'{feats.shape[-1]}, got {self.in_channels}'
            )
        return self.layers(feats)

    def loss(self, feats: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Return the cross-entropy and the accuracy.

        Args:
            feats: (B, C).
            data_samples: One a cloud, with ``gt_label`` (1,), int64.

        Returns:
            ``loss``, in nats, and ``accuracy``, the share of right
            predictions in the batch.

        Raises:
            ValueError: If a label is absent, or none of ``num_classes``.
        """
        target = self._labels(data_samples).to(feats.device)
        logits = self(feats).float()
        loss = F.cross_entropy(logits, target)
        correct = logits.argmax(-1) == target
        return {'loss': loss, 'accuracy': correct.float().mean()}

    def predict(self, feats: Tensor, data_samples: list) -> list:
        """Return the data samples with predictions.

        Args:
            feats: (B, C).
            data_samples: One a cloud.

        Returns:
            The samples with ``pred_logits`` (num_classes,), float32, and
            ``pred_label`` (1,), int64.
        """
        logits = self(feats).float()
        labels = logits.argmax(-1, keepdim=True)
        for sample, row, label in zip(
            data_samples, logits, labels, strict=True
        ):
            sample.pred_logits = row
            sample.pred_label = label
        return data_samples

    def _labels(self, data_samples: list) -> Tensor:
        if any('gt_label' not in sample for sample in data_samples):
            raise ValueError(
                'data samples need gt_label to train a classifier, got some '
                'without; use a data set with classes (PointFolder: '
                "classes='folders')"
            )
        labels = torch.cat([sample.gt_label for sample in data_samples])
        require(
            (labels >= 0) & (labels < self.num_classes),
            f'labels must be in [0, num_classes={self.num_classes}); set '
            "num_classes of the head to the number of the data set's classes",
            labels,
        )
        return labels
