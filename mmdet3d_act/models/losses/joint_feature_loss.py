"""Losses between predicted and target features of many patches jointly.

A patch's loss depends on the other patches: they are the negatives of a
contrastive loss, or give the statistics of a correlation.

Letters: B batch, M predicted patches, C channels, S sets that are compared
within themselves, P patches of a set.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor
from torch.autograd.function import FunctionCtx

from mmdet3d_act.models.losses.feature_loss import (
    FeatureLoss,
    mean_direction,
)
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice

SCOPES = ('batch', 'cloud')
# Lengths and variances below it count as this: features without any
# variation give finite losses and gradients.
MIN_LENGTH = 1e-8
MIN_VARIANCE = 1e-12


def nt_xent(
    pred: Tensor,
    target: Tensor,
    temperature: float = 0.07,
    *,
    anchors: slice = slice(None),
) -> Tensor:
    """Return the normalised temperature-scaled cross-entropy.

    Prediction and target of a patch are a positive pair. Each of the 2P
    features of a set is an anchor once: its partner is to be found, by cosine
    similarity, among the 2P - 1 other features, predictions and targets
    alike. The loss is the mean of the 2P cross-entropies, so it is symmetric,
    does not depend on the lengths of the features, and is log(2P - 1) where
    all similarities are equal.

    Source: Chen et al., A Simple Framework for Contrastive Learning of Visual
    Representations, ICML 2020, equation 1 and algorithm 1; as
    ``NTXentLoss(temperature=0.07)`` of lightly 1.2.28, which ACT calls.

    Args:
        pred: (S, P, C), P at least 2.
        target: (S, P, C).
        temperature: Divides the similarities.
        anchors: The patches whose two features are anchors; the others only
            are candidates.

    Returns:
        A scalar in (0, inf).
    """
    pred = F.normalize(pred, dim=-1, eps=MIN_LENGTH)
    target = F.normalize(target, dim=-1, eps=MIN_LENGTH)
    forth = _partner_loss(pred, target, temperature, anchors)
    back = _partner_loss(target, pred, temperature, anchors)
    return (forth + back) / 2


def _partner_loss(
    own: Tensor, other: Tensor, temperature: float, anchors: slice
) -> Tensor:
    """Return the mean cross-entropy of finding own[i]'s partner other[i]."""
    queries = own[:, anchors] / temperature
    across = queries @ other.transpose(1, 2)  # (S, anchors, P)
    within = queries @ own.transpose(1, 2)
    itself = torch.arange(own.shape[1], device=own.device)[anchors]
    rows = torch.arange(len(itself), device=own.device)
    within[:, rows, itself] = -torch.inf
    candidates = torch.logaddexp(across.logsumexp(-1), within.logsumexp(-1))
    return (candidates - (queries * other[:, anchors]).sum(-1)).mean()


def barlow_twins(
    pred: Tensor, target: Tensor, redundancy_weight: float = 5e-3
) -> Tensor:
    """Measure how far the cross-correlation is from the identity.

    The channels of predictions and targets are standardised over the P
    patches of a set (unbiased standard deviation), and the correlation
    matrix, their product divided by P, is compared with the identity: the sum
    of (1 - c_ii)^2, and of ``redundancy_weight`` times c_ij^2 elsewhere. It
    is symmetric and does not depend on scale and mean of a channel. As the
    deviation is unbiased and the product is not, c_ii reaches 1 - 1/P only,
    and the loss C / P^2. A channel that does not vary correlates with nothing.

    Source: Zbontar et al., Barlow Twins, ICML 2021, equations 1 and 2 and
    algorithm 1; as ``BarlowTwinsLoss(lambda_param=5e-3)`` of lightly 1.2.28,
    which ACT calls.

    Args:
        pred: (S, P, C), P at least 2.
        target: (S, P, C).
        redundancy_weight: Lambda, of the entries off the diagonal.

    Returns:
        A scalar, the mean over the sets.
    """
    product = _standardized(pred).transpose(1, 2) @ _standardized(target)
    correlation = product / pred.shape[1]  # (S, C, C)
    diagonal = correlation.diagonal(dim1=1, dim2=2)
    invariance = (1.0 - diagonal).square().sum(dim=1)
    redundancy = correlation.square().sum(dim=(1, 2))
    redundancy = redundancy - diagonal.square().sum(dim=1)
    return (invariance + redundancy_weight * redundancy).mean()


def _standardized(features: Tensor) -> Tensor:
    centered = features - features.mean(dim=1, keepdim=True)
    squares = centered.square().sum(dim=1, keepdim=True)
    variance = squares / (features.shape[1] - 1)
    return centered * variance.clamp_min(MIN_VARIANCE).rsqrt()


class _Gather(torch.autograd.Function):
    """Joins the features of all processes along the patches.

    PyTorch's own differentiable ``all_gather`` mixes up gradients that are
    not contiguous where the back end is gloo.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor) -> Tensor:
        """Return (S, processes * P, C) of ``features`` (S, P, C)."""
        ctx.count = features.shape[1]
        return torch.cat(all_gather(features.contiguous()), dim=1)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        """Gradient of the losses of all processes for one's features."""
        total = grad.clone(memory_format=torch.contiguous_format)
        all_reduce(total)
        start = get_rank() * ctx.count
        return total[:, start : start + ctx.count]


class _JointFeatureLoss(FeatureLoss):
    """Base of the losses in which patches are compared with each other.

    Args:
        loss_weight: Factor of the loss.
        scope: Which patches are compared: ``'batch'``, all masked ones of the
            batch, or ``'cloud'``, those of the same cloud, as published code
            does (it also divides by their number: ``loss_weight=1 / 51``).
        gather: Whether the batch is that of all processes. Every process must
            have the same number of clouds. With the gradients averaged, as
            DistributedDataParallel does, it is the training of one process
            with the whole batch.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        *,
        scope: str = 'batch',
        gather: bool = False,
    ) -> None:
        super().__init__(loss_weight)
        check_choice('scope', scope, SCOPES)
        if gather and scope == 'cloud':
            raise ValueError(
                'gather=True joins the batches of all processes, but '
                "scope='cloud' compares within a cloud; use scope='batch' or "
                'leave gather out'
            )
        self.scope = scope
        self.gather = gather

    def constant_prediction(self, target: Tensor) -> Tensor:
        """Return the mean target of all that is compared, (1, 1, C)."""
        return super().constant_prediction(self._sets(target))

    def _sets(self, features: Tensor) -> Tensor:
        """Return (S, P, C): what is compared within itself.

        Raises:
            ValueError: If there is a single patch to compare.
        """
        if self.scope == 'batch':
            features = features.flatten(0, 1).unsqueeze(0)
        if self.gather and get_world_size() > 1:
            features = _Gather.apply(features)
        if features.shape[1] < 2:
            raise ValueError(
                f'{type(self).__name__} compares patches with each other and '
                f'needs at least 2 masked ones in a {self.scope}, got '
                f'{features.shape[1]}; raise the mask ratio, the batch size '
                'or the number of patches'
            )
        return features


@MODELS.register_module()
class NTXentFeatureLoss(_JointFeatureLoss):
    """Contrastive loss of predictions and targets, see :func:`nt_xent`.

    Where the scope is the batch, four matrices of (B*M)^2 similarities are
    computed, three of them kept for the gradient: with the published 128
    clouds of 51 masked patches each has 0.17 GB, and training needs about
    1 GB for them. With ``gather`` their size grows with the number of
    processes, not its square.

    Example:
        >>> loss = NTXentFeatureLoss(temperature=0.5)
        >>> x = torch.eye(4).view(2, 2, 4)
        >>> bool(loss(x, x) < loss(x, x.flip(0)))
        True

    Args:
        loss_weight: Factor of the loss.
        temperature: Divides the similarities.
        scope: ``'batch'`` or ``'cloud'``: where the negatives of a patch come
            from; the latter is the published one.
        gather: Whether those of all processes are negatives.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        *,
        temperature: float = 0.07,
        scope: str = 'batch',
        gather: bool = False,
    ) -> None:
        super().__init__(loss_weight, scope=scope, gather=gather)
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ValueError(
                f'temperature must be positive, got {temperature}; ACT uses '
                '0.07'
            )
        self.temperature = temperature

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of this process's patches."""
        own = slice(None)
        if self.gather:
            count = pred.shape[0] * pred.shape[1]
            own = slice(get_rank() * count, (get_rank() + 1) * count)
        return nt_xent(
            self._sets(pred),
            self._sets(target),
            self.temperature,
            anchors=own,
        )

    def constant_prediction(self, target: Tensor) -> Tensor:
        """Return the mean direction of the targets, (1, 1, C).

        The best constant has no closed form; the mean direction's loss was
        within 1 % of it. Both are above log(2P - 1), the loss of features
        that are all alike: that many equal predictions are close to each
        other and far from most targets costs more than knowing nothing.
        """
        return mean_direction(self._sets(target))


@MODELS.register_module()
class BarlowTwinsFeatureLoss(_JointFeatureLoss):
    """Cross-correlation of predictions and targets.

    See :func:`barlow_twins`. A constant prediction correlates with nothing:
    the baseline is C, the number of channels, times the weight.

    Example:
        >>> loss = BarlowTwinsFeatureLoss()
        >>> x = torch.randn(2, 500, 4)
        >>> bool(loss(x, 3 * x + 1) < 0.1), loss.constant_baseline(x).item()
        (True, 4.0)

    Args:
        loss_weight: Factor of the loss.
        redundancy_weight: Lambda, of the entries off the diagonal.
        scope: ``'batch'`` or ``'cloud'``: the patches that the channels are
            standardised over; the latter is the published one, although a
            cloud has fewer masked patches than features have channels.
        gather: Whether they are those of all processes.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        *,
        redundancy_weight: float = 5e-3,
        scope: str = 'batch',
        gather: bool = False,
    ) -> None:
        super().__init__(loss_weight, scope=scope, gather=gather)
        self.redundancy_weight = redundancy_weight

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return the distance of the cross-correlation from the identity."""
        return barlow_twins(
            self._sets(pred), self._sets(target), self.redundancy_weight
        )
