"""Predicts a teacher's features at the masked patches.

Letters: B batch, G patches, M masked, C channels, D channels of the target.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import select
from mmdet3d_act.models.losses import CosineFeatureLoss
from mmdet3d_act.registry import MODELS, build_module


@MODELS.register_module()
class FeatureHead(BaseModule):
    """Linear projection to the target's width, and a feature loss.

    The losses of all predictions (the masked patches, and the shallow branch
    where the neck has one) are summed.

    Args:
        embed_dims: Width C of the predictions.
        target_channels: Width D of the target.
        loss: Config of the feature loss, cosine by default.
        published_branch_loss: Whether the losses that are averaged over all
            elements (MSE, smooth L1) leave out the shallow branch, as in
            published code.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        target_channels: int = 384,
        *,
        loss: dict | nn.Module | None = None,
        published_branch_loss: bool = False,
    ) -> None:
        super().__init__()
        self.proj = nn.Linear(embed_dims, target_channels)
        nn.init.trunc_normal_(self.proj.weight, std=0.02)
        nn.init.zeros_(self.proj.bias)
        self.loss_fn = build_module(loss) or CosineFeatureLoss()
        self.published_branch_loss = published_branch_loss

    def forward(self, preds: list[Tensor]) -> list[Tensor]:
        """Return the projected predictions, each (B, M, D)."""
        return [self.proj(pred) for pred in preds]

    def loss(
        self, preds: list[Tensor], target: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Return the loss and that of the best constant prediction.

        Args:
            preds: From the neck, each (B, M, C).
            target: (B, G, D).
            mask: Bool (B, G), True = masked.

        Returns:
            ``loss``, and ``constant_baseline``: what a model reaches that
            only learned the mean target; a loss close to it taught nothing.
        """
        target = select(target, mask, preds[0].shape[1])
        preds = self(preds)
        if self.published_branch_loss and not self.loss_fn.published_branch:
            preds = preds[:1]
        return {
            'loss': sum(self.loss_fn(pred, target) for pred in preds),
            'constant_baseline': len(preds)
            * self.loss_fn.constant_baseline(target),
        }
