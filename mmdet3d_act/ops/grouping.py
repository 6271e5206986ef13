"""Gathering points by index, and cutting clouds into point patches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.ops._checks import (
    check_cloud,
    check_count,
    check_tensor,
    checks_values,
)
from mmdet3d_act.ops.neighbors import knn_checked
from mmdet3d_act.ops.sampling import sample_checked


class PointGroups(NamedTuple):
    """Point patches of a batch of clouds.

    Attributes:
        centers: Patch centres, (B, G, 3).
        neighborhoods: Points of each patch relative to its centre, nearest
            first, (B, G, K, 3).
        center_indices: Which points the centres are, (B, G), int64.
        neighbor_indices: Which points are in the patches, (B, G, K), int64.
    """

    centers: Tensor
    neighborhoods: Tensor
    center_indices: Tensor
    neighbor_indices: Tensor


def gather_points(points: Tensor, idx: Tensor) -> Tensor:
    """Return the points, or features of points, at indices of each cloud.

    Differentiable in ``points``; any dtype.

    Args:
        points: Points or features, (B, N, C).
        idx: Indices from 0 to N - 1, (B, ...), for example (B, S) or
            (B, S, k); int64 or int32.

    Returns:
        What stands there, (B, ..., C).

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes, batch sizes, devices or the dtype of ``idx`` are
            wrong, or, where values are checked, an index is out of range.
    """
    check_tensor(points, 'points')
    check_tensor(idx, 'idx')
    if points.dim() != 3 or idx.dim() < 2 or points.shape[0] != idx.shape[0]:
        raise ValueError(
            'points must have shape (B, N, C) and idx (B, ...) with the same '
            f'B, got {tuple(points.shape)} and {tuple(idx.shape)}; add the '
            'missing dimension'
        )
    if idx.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f'idx must be int64 or int32, got {idx.dtype}; convert it with '
            '.long()'
        )
    if points.device != idx.device:
        raise ValueError(
            f'points and idx must be on one device, got {points.device} and '
            f'{idx.device}; move one with .to()'
        )
    num_points = points.shape[1]
    if idx.numel() and checks_values():
        low, high = torch.stack(torch.aminmax(idx)).tolist()
        if low < 0 or high >= num_points:
            raise ValueError(
                f'idx must be from 0 to {num_points - 1}, got values from '
                f'{low} to {high}; indices count within each cloud'
            )
    return gather_checked(points, idx)


def gather_checked(points: Tensor, idx: Tensor) -> Tensor:
    """Return ``gather_points`` of arguments that were checked before.

    Args:
        points: Points or features, (B, N, C).
        idx: Indices from 0 to N - 1, (B, ...).

    Returns:
        What stands there, (B, ..., C).
    """
    batch, num_points, channels = points.shape
    first = torch.arange(0, batch * num_points, num_points, device=idx.device)
    flat = idx.reshape(batch, -1) + first[:, None]
    rows = points.reshape(batch * num_points, channels)
    return rows.index_select(0, flat.flatten()).view(*idx.shape, channels)


def group_points(
    points: Tensor,
    num_groups: int,
    group_size: int,
    *,
    skip_origin: bool = False,
) -> PointGroups:
    """Return point patches: farthest points and their nearest neighbours.

    Patches are centred on their centre and not rescaled. Indices have no
    gradient; coordinates have one where ``points`` has.

    Args:
        points: Clouds, (B, N, 3 + F), coordinates first; features are
            ignored, take them with ``gather_points`` and
            ``neighbor_indices``.
        num_groups: Number of patches G, at most N.
        group_size: Points per patch K, the centre included, at most N.
        skip_origin: See ``farthest_point_sample``.

    Returns:
        Centres, neighbourhoods and the indices of both.

    Raises:
        TypeError: If ``points`` is no tensor or a number no integer.
        ValueError: If shape or dtype is wrong, a cloud is empty or not
            finite, or there are fewer points than patches or than points per
            patch.

    Source: Point-BERT (Yu et al. 2022), section 3.1.
    """
    check_tensor(points, 'points')
    coords = check_cloud(
        points[..., :3] if points.dim() == 3 else points, 'points'
    )
    check_count(num_groups, 'num_groups', coords.shape[1], 'points')
    check_count(group_size, 'group_size', coords.shape[1], 'points')
    center_indices = sample_checked(coords, num_groups, skip_origin)
    centers = gather_checked(coords, center_indices)
    neighbor_indices, _ = knn_checked(coords, centers, group_size)
    neighborhoods = gather_checked(coords, neighbor_indices)
    return PointGroups(
        centers,
        neighborhoods - centers[:, :, None],
        center_indices,
        neighbor_indices,
    )
