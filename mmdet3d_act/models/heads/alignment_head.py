"""Predicts what an image or language model says of the same thing.

Letters: B batch, T tokens, C channels, L tokens of the target, D channels of
the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.losses import MSEFeatureLoss
from mmdet3d_act.registry import MODELS, build_module


@MODELS.register_module()
class AlignmentHead(BaseModule):
    """Two-layer MLP from all tokens of a cloud to the target, and a loss.

    Source: "3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images", section 3.4, equation 12. It does not say how T tokens become L:
    here the MLP reads all of them at once.

    Example:
        >>> head = AlignmentHead(384, 32, target_shape=(10, 768))
        >>> head(torch.rand(2, 32, 384)).shape
        torch.Size([2, 10, 768])

    Args:
        embed_dims: Width C of the tokens.
        num_tokens: Tokens T of a cloud.
        target_shape: Of one cloud's target: (D,), or (L, D). None takes it
            from the target generator of the same objective.
        hidden_dims: Width of the hidden layer; None means D.
        whole: Whether the loss compares whole targets, L x D numbers as one
            vector, rather than token by token. It is the same for errors of
            elements; contrastive losses compare clouds with it, and tokens
            of all clouds without.
        loss: Config of the feature loss, mean squared error by default.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        num_tokens: int = 32,
        *,
        target_shape: Sequence[int] | None = None,
        hidden_dims: int | None = None,
        whole: bool = False,
        loss: dict | nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.num_tokens = num_tokens
        self.hidden_dims = hidden_dims
        self.whole = whole
        self.loss_fn = build_module(loss) or MSEFeatureLoss()
        self.target_shape: tuple[int, ...] | None = None
        if target_shape is not None:
            self.set_target_shape(target_shape)

    def set_target_shape(self, target_shape: Sequence[int]) -> None:
        """Make the layers for a target.

        Args:
            target_shape: Of one cloud's target: (D,), or (L, D).

        Raises:
            ValueError: If it is neither, or another one is set already.
        """
        shape = tuple(int(size) for size in target_shape)
        if len(shape) not in (1, 2) or min(shape) < 1:
            raise ValueError(
                'target_shape must be (D,) or (L, D), got '
                f'{tuple(target_shape)}'
            )
        if self.target_shape not in (None, shape):
            raise ValueError(
                f'the head predicts targets of shape {self.target_shape}, '
                f'those of the target generator are {shape}; leave '
                'target_shape out, or correct it'
            )
        if self.target_shape is not None:
            return
        self.target_shape = shape
        hidden = self.hidden_dims or shape[-1]
        self.fc1 = nn.Linear(self.num_tokens * self.embed_dims, hidden)
        self.fc2 = nn.Linear(hidden, math.prod(shape))
        for layer in (self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the predicted targets, (B, *target_shape).

        Args:
            tokens: (B, T, C).

        Raises:
            ValueError: If these are not ``num_tokens`` of ``embed_dims``, or
                nothing is known of the target.
        """
        if self.target_shape is None:
            raise ValueError(
                'nothing is known of the target; give the head target_shape, '
                'or an objective whose target generator has one'
            )
        if tokens.shape[1:] != (self.num_tokens, self.embed_dims):
            raise ValueError(
                f'expected {self.num_tokens} tokens of {self.embed_dims} '
                f'channels, got {tuple(tokens.shape[1:])}; give the head the '
                'num_tokens and embed_dims of what the neck returns (concept '
                'tokens, or the patches that the student sees)'
            )
        x = self.fc2(F.gelu(self.fc1(tokens.flatten(1))))
        return x.unflatten(1, self.target_shape)

    def loss(
        self, preds: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and that of the best constant prediction.

        Args:
            preds: The neck's tokens, (B, T, C).
            target: (B, *target_shape).
            mask: Not used.

        Returns:
            ``loss``, and ``constant_baseline``: what a model reaches that
            says the same of every cloud of the batch.

        Raises:
            ValueError: If the target has another shape.
        """
        pred = self(preds)
        if target.shape != pred.shape:
            raise ValueError(
                f'expected targets of shape {tuple(pred.shape)}, got '
                f'{tuple(target.shape)}; set target_shape of the head to that '
                'of the target generator'
            )
        pred, target = self._rows(pred), self._rows(target)
        return {
            'loss': self.loss_fn(pred, target),
            'constant_baseline': self._constant_baseline(target),
        }

    @torch.no_grad()
    def predict(self, preds: Tensor) -> Tensor:
        """Return the predicted targets as one vector a cloud, (B, L * D).

        Args:
            preds: The neck's tokens, (B, T, C).
        """
        return self(preds).flatten(1)

    def _rows(self, values: Tensor) -> Tensor:
        """Arrange features for the loss, (B, L, D) or (B, 1, L * D)."""
        if self.whole or values.ndim == 2:
            return values.flatten(1).unsqueeze(1)
        return values

    def _constant_baseline(self, target: Tensor) -> Tensor:
        # The best constant says another thing of every token; the mean of
        # the tokens' losses is that of the whole.
        parts = target.split(1, dim=1)
        losses = [self.loss_fn.constant_baseline(part) for part in parts]
        return torch.stack(losses).mean()
