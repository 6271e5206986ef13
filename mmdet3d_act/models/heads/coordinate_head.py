"""Predicts the points of the masked patches.

Letters: B batch, G patches, K points of a patch, M masked, C channels.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import select
from mmdet3d_act.models.losses import PatchChamferLoss
from mmdet3d_act.registry import MODELS, build_module


@MODELS.register_module()
class CoordinateHead(BaseModule):
    """Linear projection to K points, and the Chamfer distance.

    Source: Pang et al., Point-MAE, ECCV 2022, equations 4 and 5.

    Args:
        embed_dims: Width C of the predictions.
        group_size: Points K of a patch.
        loss: Config of the loss, squared Chamfer by default.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        group_size: int = 32,
        *,
        loss: dict | nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.proj = nn.Linear(embed_dims, 3 * group_size)
        self.loss_fn = build_module(loss) or PatchChamferLoss(norm='l2')

    def forward(self, preds: list[Tensor]) -> list[Tensor]:
        """Return the predicted points, each (B, M, K, 3)."""
        return [self.proj(pred).unflatten(-1, (-1, 3)) for pred in preds]

    def loss(
        self, preds: list[Tensor], target: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Return the loss.

        Args:
            preds: From the neck, each (B, M, C).
            target: (B, G, K, 3), relative to the patch centre.
            mask: Bool (B, G), True = masked.
        """
        target = select(target, mask, preds[0].shape[1])
        losses = [self.loss_fn(pred, target) for pred in self(preds)]
        return {'loss': sum(losses)}
