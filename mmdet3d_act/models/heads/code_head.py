"""Predicts which code a teacher gave to the masked patches.

Letters: B batch, G patches, M masked, C channels, T codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import count_values, select
from mmdet3d_act.ops import require
from mmdet3d_act.registry import MODELS


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
        correct = logits[0].detach().argmax(-1) == target
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
