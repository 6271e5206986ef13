"""Losses between predicted and target features.

Letters: B batch, M predicted patches, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.registry import MODELS

# Reweighted means until the best constant of the smooth L1 loss is found; the
# loss is flat there, so that a few are enough.
HUBER_STEPS = 10


def mean_direction(target: Tensor) -> Tensor:
    """Average the targets at unit length, (1, 1, C).

    Args:
        target: (B, M, C).
    """
    directions = F.normalize(target.float(), dim=-1)
    return directions.mean(dim=(0, 1), keepdim=True)


class FeatureLoss(nn.Module):
    """Base of the feature losses.

    Attributes:
        published_branch: Whether published code counts the loss of the shallow
            branch; it forgets it where losses are averaged over elements.

    Args:
        loss_weight: Factor of the loss.
    """

    published_branch = True

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the weighted loss, a scalar, in float32.

        Args:
            pred: (B, M, C).
            target: (B, M, C).

        Raises:
            ValueError: If the shapes differ.
        """
        if pred.shape != target.shape:
            raise ValueError(
                'prediction and target must have the same shape, got '
                f'{tuple(pred.shape)} and {tuple(target.shape)}; the head '
                'projects to target_channels, which must be the width of the '
                "target generator's output"
            )
        with torch.autocast(pred.device.type, enabled=False):
            loss = self.distance(pred.float(), target.float())
        return self.loss_weight * loss

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the unweighted loss, a scalar."""
        raise NotImplementedError(
            f'{type(self).__name__} must define distance(pred, target)'
        )

    def constant_prediction(self, target: Tensor) -> Tensor:
        """Find the one vector that predicts all targets best.

        Its loss says what a falling loss is worth: a model that only learned
        the mean target reaches it.

        Args:
            target: (B, M, C).

        Returns:
            (1, 1, C).
        """
        return target.float().mean(dim=(0, 1), keepdim=True)

    def constant_baseline(self, target: Tensor) -> Tensor:
        """Compute the loss of the best constant prediction of a batch."""
        target = target.detach()
        constant = self.constant_prediction(target)
        return self(constant.expand_as(target), target)


@MODELS.register_module()
class CosineFeatureLoss(FeatureLoss):
    """One minus the cosine similarity, averaged over all patches.

    Source: Dong et al., Autoencoders as Cross-Modal Teachers, ICLR 2023,
    equation 6: ACT's loss of stage II.

    Example:
        >>> loss = CosineFeatureLoss()
        >>> x = torch.rand(2, 3, 8)
        >>> bool(loss(x, 2 * x).abs() < 1e-6)
        True

    Args:
        loss_weight: Factor of the loss.
    """

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Average 1 - cosine similarity, in [0, 2]."""
        likeness = F.cosine_similarity(pred, target, dim=-1, eps=1e-8)
        return 1.0 - likeness.mean()

    def constant_prediction(self, target: Tensor) -> Tensor:
        """Compute the mean direction of the targets, (1, 1, C)."""
        return mean_direction(target)


@MODELS.register_module()
class MSEFeatureLoss(FeatureLoss):
    """Mean squared error over all elements.

    Args:
        loss_weight: Factor of the loss.
    """

    published_branch = False

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the mean squared error."""
        return F.mse_loss(pred, target)


@MODELS.register_module()
class SmoothL1FeatureLoss(FeatureLoss):
    """Smooth L1 (threshold 1), averaged over all elements.

    Args:
        loss_weight: Factor of the loss.
    """

    published_branch = False

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the mean smooth L1 loss."""
        return F.smooth_l1_loss(pred, target)

    def constant_prediction(self, target: Tensor) -> Tensor:
        """Compute Huber's estimate of location by channel, (1, 1, C)."""
        target = target.float()
        constant = super().constant_prediction(target)
        for _ in range(HUBER_STEPS):
            weight = 1.0 / (target - constant).abs().clamp_min(1.0)
            total = (weight * target).sum(dim=(0, 1), keepdim=True)
            constant = total / weight.sum(dim=(0, 1), keepdim=True)
        return constant
