"""Chamfer distance and F-score of two batches of clouds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.ops._backends import (
    blocks,
    one_operation,
    squared_distances,
)
from mmdet3d_act.ops._checks import check_cloud, check_pair, check_positive
from mmdet3d_act.ops.grouping import gather_checked
from mmdet3d_act.ops.interpolation import root
from mmdet3d_act.text import check_choice


class NearestDistances(NamedTuple):
    """Nearest points of the other cloud, both ways.

    Attributes:
        dist_ab: Squared distance of each point of ``a`` to its nearest point
            of ``b``, (B, N).
        dist_ba: The same for the points of ``b``, (B, M).
        idx_ab: Which points of ``b`` those are, (B, N), int64.
        idx_ba: Which points of ``a`` those are, (B, M), int64.
    """

    dist_ab: Tensor
    dist_ba: Tensor
    idx_ab: Tensor
    idx_ba: Tensor


def nearest_distances(a: Tensor, b: Tensor) -> NearestDistances:
    """Return every point's squared distance to the other cloud.

    Ties go to the lower index. Memory is bounded, as the distances are
    computed in blocks; the gradient goes through the nearest pairs alone.

    Args:
        a: Clouds, (B, N, 3).
        b: Clouds, (B, M, 3).

    Returns:
        Squared distances, differentiable in both clouds, and indices.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes, dtypes or devices are wrong or do not match, or
            a cloud is empty or not finite.
    """
    return _nearest(*_checked(a, b, ('a', 'b')))


def _checked(
    a: Tensor, b: Tensor, names: tuple[str, str]
) -> tuple[Tensor, Tensor]:
    a = check_cloud(a, names[0])
    b = check_cloud(b, names[1])
    check_pair(a, b, names)
    return a, b


def _nearest(a: Tensor, b: Tensor) -> NearestDistances:
    idx_ab, idx_ba = _nearest_indices(a, b)
    return NearestDistances(
        _pair_distances(a, gather_checked(b, idx_ab)),
        _pair_distances(b, gather_checked(a, idx_ba)),
        idx_ab,
        idx_ba,
    )


def _pair_distances(first: Tensor, second: Tensor) -> Tensor:
    delta = (first - second).square()
    return delta[..., 0] + delta[..., 1] + delta[..., 2]


def _empty_indices(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return (
        a.new_empty(a.shape[:2], dtype=torch.long),
        b.new_empty(b.shape[:2], dtype=torch.long),
    )


@torch.no_grad()
@one_operation('(Tensor a, Tensor b) -> (Tensor, Tensor)', _empty_indices)
def _nearest_indices(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    batch, num_a, _ = a.shape
    num_b = b.shape[1]
    idx_ab = torch.empty(batch, num_a, dtype=torch.long, device=a.device)
    idx_ba = torch.zeros(batch, num_b, dtype=torch.long, device=a.device)
    best_ba = a.new_full((batch, num_b), torch.inf)
    axes_a = a.transpose(1, 2).contiguous()
    axes_b = b.transpose(1, 2).contiguous()
    for clouds, rows in blocks(batch, num_a, num_b, a.device):
        squared = squared_distances(axes_a[clouds, :, rows], axes_b[clouds])
        idx_ab[clouds, rows] = squared.min(dim=2).indices
        nearest, idx = squared.min(dim=1)
        if rows.stop - rows.start == num_a:
            idx_ba[clouds] = idx
            continue
        better = nearest < best_ba[clouds]
        best_ba[clouds] = torch.where(better, nearest, best_ba[clouds])
        idx_ba[clouds] = torch.where(better, idx + rows.start, idx_ba[clouds])
    return idx_ab, idx_ba


def chamfer_distance(
    a: Tensor,
    b: Tensor,
    norm: str = 'l1',
    reduction: str = 'mean',
    *,
    ignore_zeros: bool = False,
) -> Tensor:
    """Return the Chamfer distance of two batches of clouds.

    With d the squared distance to the nearest point of the other cloud,
    'l1' is (mean sqrt d_ab + mean sqrt d_ba) / 2 and 'l2' is mean d_ab +
    mean d_ba: the names of the published code. ('l1' of MMDetection3D's
    ``chamfer_distance`` is another thing, the Manhattan distance.) The
    gradient of 'l1' is zero where two points coincide, and finite always; the
    published one is NaN there.

    Args:
        a: Clouds, (B, N, 3).
        b: Clouds, (B, M, 3).
        norm: 'l1' or 'l2'.
        reduction: 'mean' over the batch, or 'none'.
        ignore_zeros: Whether points whose coordinates sum to 0 are left out,
            as padding. (The published flag does nothing for B > 1.)

    Returns:
        A scalar, or (B,) for 'none'; units of the coordinates for 'l1',
        squared units for 'l2'. Differentiable in both clouds.

    Raises:
        TypeError: If ``a`` or ``b`` is no tensor.
        ValueError: If shapes, dtypes or devices are wrong or do not match, a
            cloud is empty (or consists of ignored points) or not finite, or
            ``norm`` or ``reduction`` is unknown.

    Source: PoinTr (Yu et al. 2021), extensions/chamfer_dist; Fan et al. 2017,
        A point set generation network, section 4.2.
    """
    check_choice('norm', norm, ('l1', 'l2'))
    check_choice('reduction', reduction, ('mean', 'none'))
    a, b = _checked(a, b, ('a', 'b'))
    if ignore_zeros:
        values = [
            _distance(_without_zeros(x, 'a'), _without_zeros(y, 'b'), norm)
            for x, y in zip(a.split(1), b.split(1), strict=True)
        ]
        value = torch.cat(values)
    else:
        value = _distance(a, b, norm)
    return value.mean() if reduction == 'mean' else value


def _distance(a: Tensor, b: Tensor, norm: str) -> Tensor:
    nearest = _nearest(a, b)
    if norm == 'l2':
        return nearest.dist_ab.mean(dim=1) + nearest.dist_ba.mean(dim=1)
    there = root(nearest.dist_ab).mean(dim=1)
    back = root(nearest.dist_ba).mean(dim=1)
    return (there + back) / 2


def _without_zeros(points: Tensor, name: str) -> Tensor:
    kept = points[:, points[0].sum(dim=-1) != 0]
    if not kept.shape[1]:
        raise ValueError(
            f'{name} must hold a point whose coordinates do not sum to 0 in '
            'every cloud when ignore_zeros is set, got a cloud without one; '
            'drop that cloud'
        )
    return kept


@torch.no_grad()
def f_score(pred: Tensor, target: Tensor, threshold: float = 0.01) -> Tensor:
    """Return the F-score of each predicted cloud at a distance threshold.

    The harmonic mean of precision (the share of predicted points nearer than
    the threshold to the target) and recall (the share of target points
    nearer than it to the prediction); 0 where both are 0.

    Args:
        pred: Predicted clouds, (B, N, 3).
        target: Target clouds, (B, M, 3).
        threshold: Distance below which a point counts, in the units of the
            coordinates; 0.01 is the usual 'F-score@1%' of clouds in the unit
            sphere.

    Returns:
        F-scores from 0 to 1, (B,), without gradient.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes, dtypes or devices are wrong or do not match, a
            cloud is empty or not finite, or the threshold is not positive.

    Source: Tatarchenko et al. 2019, What do single-view 3D reconstruction
        networks learn?, section 5.1.
    """
    check_positive(threshold, 'threshold')
    pred, target = _checked(pred, target, ('pred', 'target'))
    dist_ab, dist_ba, _, _ = _nearest(pred, target)
    precision = (dist_ab.sqrt() < threshold).to(dist_ab.dtype).mean(dim=1)
    recall = (dist_ba.sqrt() < threshold).to(dist_ba.dtype).mean(dim=1)
    total = precision + recall
    return torch.where(
        total > 0, 2 * precision * recall / total.clamp_min(1e-12), 0
    )
