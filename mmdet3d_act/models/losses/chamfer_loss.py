"""Chamfer distance as a loss module."""

from __future__ import annotations

from torch import Tensor, nn

from mmdet3d_act.ops import chamfer_distance
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice


@MODELS.register_module()
class PatchChamferLoss(nn.Module):
    """Chamfer distance between predicted and true points of patches.

    ``l1`` is the published "Chamfer-L1": the mean Euclidean distance to the
    nearest point, averaged over both directions (MMDetection3D's ``l1`` mode
    is the Manhattan distance instead); ``l2`` sums the mean squared distances
    of both directions.

    Example:
        >>> loss = PatchChamferLoss(norm='l2')
        >>> points = torch.rand(2, 5, 32, 3)
        >>> float(loss(points, points))
        0.0

    Args:
        norm: ``'l1'`` or ``'l2'``.
        loss_weight: Factor of the loss.
    """

    def __init__(self, norm: str = 'l1', loss_weight: float = 1.0) -> None:
        super().__init__()
        check_choice('norm', norm, ('l1', 'l2'))
        self.norm = norm
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the weighted mean distance, a scalar.

        Args:
            pred: (..., P, 3); leading dimensions are patches.
            target: (..., K, 3), with the same leading dimensions.
        """
        pred = pred.reshape(-1, *pred.shape[-2:])
        target = target.reshape(-1, *target.shape[-2:])
        return self.loss_weight * chamfer_distance(
            pred, target, norm=self.norm
        )
