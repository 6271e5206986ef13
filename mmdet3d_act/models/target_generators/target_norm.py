"""Normalisation of targets that hardly vary.

Raw features of an autoencoder can be nearly constant, so that a loss falls a
long way by predicting their mean alone; see ``docs/results.md``.

Letters: B batch, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.ops import require
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice

TARGET_NORMS = ('raw', 'center', 'standardize', 'whiten')


@MODELS.register_module()
class TargetNorm(BaseModule):
    """Centres, standardises or whitens targets with fixed statistics.

    The statistics are those of the training set; they are computed once
    before training and kept in the checkpoint.

    Example:
        >>> norm = TargetNorm('whiten', num_channels=4)
        >>> norm.fit([torch.randn(100, 8, 4)])
        >>> norm(torch.randn(2, 8, 4)).shape
        torch.Size([2, 8, 4])

    Args:
        mode: ``'raw'`` leaves targets as they are, ``'center'`` subtracts the
            mean, ``'standardize'`` also divides every channel by its standard
            deviation, ``'whiten'`` removes all correlation between channels.
        num_channels: C; needed unless raw.
        eps: As a share of the largest variance, what is added to all of them
            when whitening, and the smallest that standardising divides by: a
            channel that does not vary is not amplified without bound.
    """

    def __init__(
        self,
        mode: str = 'raw',
        num_channels: int | None = None,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        check_choice('mode', mode, TARGET_NORMS)
        if mode != 'raw' and num_channels is None:
            raise ValueError(
                f'mode={mode!r} needs num_channels, the width of the target'
            )
        self.mode = mode
        self.target_channels = num_channels
        self.eps = eps
        if mode != 'raw':
            self.register_buffer('mean', torch.zeros(num_channels))
            self.register_buffer('transform', torch.eye(num_channels))
            self.register_buffer('fitted', torch.tensor(False))

    @property
    def needs_fit(self) -> bool:
        """Whether statistics are needed and not there yet."""
        return self.mode != 'raw' and not bool(self.fitted)

    @torch.no_grad()
    def fit(self, targets: Iterable[Tensor]) -> None:
        """Compute the statistics from all targets of the training set.

        Args:
            targets: Batches of targets, each (B, G, C).
        """
        count = 0
        total = product = torch.zeros((), dtype=torch.float64)
        for target in targets:
            _check_features(target, self.mode)
            flat = target.flatten(0, -2).double()
            count += len(flat)
            total = total + flat.sum(dim=0)
            product = product + flat.T @ flat
        if count < 2:
            raise ValueError(
                f'statistics need at least 2 targets, got {count}; is the '
                'data set empty?'
            )
        mean = total / count
        covariance = product / count - mean.outer(mean)
        self.mean.copy_(mean)
        self.transform.copy_(self._transform(covariance))
        self.fitted.fill_(True)

    def _transform(self, covariance: Tensor) -> Tensor:
        if self.mode == 'center':
            return torch.eye(len(covariance)).to(covariance)
        if self.mode == 'standardize':
            variance = covariance.diagonal()
            floor = self.eps * variance.max() + 1e-24
            return torch.diag(variance.clamp_min(floor).rsqrt())
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0) + self.eps * values.max() + 1e-24
        return vectors @ torch.diag(values.rsqrt()) @ vectors.T

    def _check_fitted(self) -> None:
        require(
            self.fitted,
            f'{self.mode!r} targets need statistics of the training set, '
            'which were not computed; add PrepareTargetsHook to '
            'custom_hooks, or load a checkpoint that has them',
        )

    def forward(self, target: Tensor) -> Tensor:
        """Return the normalised target, (B, G, C), of ``target`` (B, G, C).

        Raises:
            ValueError: If the target is no features, or the statistics were
                never computed.
        """
        if self.mode == 'raw':
            return target
        _check_features(target, self.mode)
        self._check_fitted()
        # Small differences of large numbers: never in half precision.
        with torch.autocast(target.device.type, enabled=False):
            return (target.float() - self.mean) @ self.transform

    def inverse(self, normalized: Tensor) -> Tensor:
        """Return the targets that were normalised, the same shape.

        Args:
            normalized: (..., C), as :meth:`forward` returns it.

        Raises:
            ValueError: If the statistics were never computed.
        """
        if self.mode == 'raw':
            return normalized
        self._check_fitted()
        with torch.autocast(normalized.device.type, enabled=False):
            back = torch.linalg.inv(self.transform.double()).float()
            return normalized.float() @ back + self.mean


def _check_features(target: Tensor, mode: str) -> None:
    if not target.is_floating_point():
        raise ValueError(
            f'mode={mode!r} normalises features, (B, G, C) floating, got '
            f'{tuple(target.shape)} {target.dtype}: code indices are classes; '
            "leave target_norm out or use mode='raw'"
        )
