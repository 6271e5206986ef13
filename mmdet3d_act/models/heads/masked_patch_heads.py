"""Predict what the masked patches are: features, points or codes.

Letters: B batch, G patches, K points of a patch, M masked, C channels,
D channels of the target, T codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import count_values, select
from mmdet3d_act.models.losses import CosineFeatureLoss, PatchChamferLoss
from mmdet3d_act.ops import require
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
        self.embed_dims = embed_dims
        self.target_channels = target_channels
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
        self.embed_dims = embed_dims
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


@MODELS.register_module()
class CodeHead(BaseModule):
    """Linear projection to the codes, and the cross-entropy.

    The losses of all predictions (the masked patches, and the shallow branch
    where the neck has one) are summed. The published sizes, 128 * 51 patches
    and 8192 codes, need 0.2 GB for the logits and as much again twice for
    loss and gradient.

    Source: Yu et al., Point-BERT, CVPR 2022, equation 3; of its objective
    this is the masked point modelling, see :class:`~mmdet3d_act.models.
    target_generators.AutoencoderCodes` for what is not covered.

    Example:
        >>> head = CodeHead(embed_dims=32, num_codes=16)
        >>> mask = torch.tensor([[True, False, True]])
        >>> codes = torch.tensor([[3, 7, 3]])
        >>> sorted(head.loss([torch.randn(1, 2, 32)], codes, mask))
        ['accuracy', 'constant_baseline', 'loss']

    Args:
        embed_dims: Width C of the predictions.
        num_codes: Codes T, those of the autoencoder.
    """

    def __init__(self, embed_dims: int = 384, num_codes: int = 8192) -> None:
        super().__init__()
        self.num_codes = num_codes
        self.embed_dims = embed_dims
        self.proj = nn.Linear(embed_dims, num_codes)
        nn.init.trunc_normal_(self.proj.weight, std=0.02)
        nn.init.zeros_(self.proj.bias)

    def forward(self, preds: list[Tensor]) -> list[Tensor]:
        """Return the code logits, each (B, M, T)."""
        return [self.proj(pred) for pred in preds]

    def loss(
        self, preds: list[Tensor], target: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Return the loss, and what says how much it is worth.

        Args:
            preds: From the neck, each (B, M, C).
            target: Code indices, int64 (B, G).
            mask: Bool (B, G), True = masked.

        Returns:
            ``loss``: cross-entropy in nats; ``constant_baseline``: that of
            the best constant prediction, the frequencies of the codes among
            this batch's masked patches. It is their entropy, so 0 where the
            autoencoder has collapsed to a single code, and, with few patches
            for many codes, less than the entropy of all data. ``accuracy``:
            share of patches whose code is the most likely one, of the first
            prediction.

        Raises:
            ValueError: If the target is no code indices, or has indices that
                the head does not know.
        """
        self._check_target(target)
        target = select(target, mask, preds[0].shape[1]).flatten()
        logits = [pred.flatten(0, 1) for pred in self(preds)]
        with torch.autocast(target.device.type, enabled=False):
            loss = sum(F.cross_entropy(one.float(), target) for one in logits)
            baseline = len(logits) * self._entropy(target)
        correct = logits[0].argmax(-1) == target
        return {
            'loss': loss,
            'constant_baseline': baseline,
            'accuracy': correct.float().mean(),
        }

    def _check_target(self, target: Tensor) -> None:
        if target.dtype != torch.int64 or target.ndim != 2:
            raise ValueError(
                'CodeHead expects code indices, int64 (B, G), got '
                f'{target.dtype} {tuple(target.shape)}; give the objective '
                "target_generator=dict(type='AutoencoderCodes', ...) and no "
                'target_norm'
            )
        require(
            target < self.num_codes,
            f'CodeHead has num_codes={self.num_codes}, got a larger code '
            'index; give it the num_codes of the autoencoder',
            target,
        )

    def _entropy(self, target: Tensor) -> Tensor:
        counts = count_values(target, self.num_codes)
        share = counts / counts.sum()
        return -torch.xlogy(share, share).sum()
