"""Interpolation of features from few points to many."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmdet3d_act.ops._backends import mmcv_ops
from mmdet3d_act.ops._checks import check_cloud, check_pair
from mmdet3d_act.ops.grouping import gather_checked
from mmdet3d_act.ops.neighbors import knn_checked


def three_nn(query: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Return squared distances and indices of the 3 nearest source points.

    Args:
        query: Where to look, (B, N, 3).
        source: Points to choose from, (B, S, 3).

    Returns:
        Squared distances, (B, N, min(3, S)), ascending, differentiable in
        both arguments, and indices into ``source``, of the same shape, int64;
        ties go to the lower index.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes, dtypes or devices are wrong or do not match, or
            a cloud is empty or not finite.
    """
    query = check_cloud(query, 'query')
    source = check_cloud(source, 'source')
    check_pair(query, source, ('query', 'source'))
    idx = _nearest_three(query.detach(), source.detach())
    delta = (gather_checked(source, idx) - query[:, :, None]).square()
    return delta[..., 0] + delta[..., 1] + delta[..., 2], idx


def _nearest_three(query: Tensor, source: Tensor) -> Tensor:
    num_source = source.shape[1]
    ops = mmcv_ops(source) if num_source >= 3 else None
    if ops is None:
        return knn_checked(source, query, min(3, num_source))[0]
    with torch.cuda.device_of(source):
        return ops.three_nn(query.contiguous(), source.contiguous())[1].long()


def three_interpolate(
    query: Tensor,
    source: Tensor,
    features: Tensor,
    *,
    euclidean: bool = False,
) -> Tensor:
    """Return features at the queries: weighted means of 3 source points.

    Weights are 1 / (d + 1e-8), normalised to sum 1, where d is the squared
    distance, as in all published code (the paper's text leaves it open). With
    fewer than 3 source points all of them are used; one is simply copied.

    Args:
        query: Where features are wanted, (B, N, 3).
        source: Where features are known, (B, S, 3).
        features: The known features, (B, S, C), any floating dtype.
        euclidean: Whether d is the distance instead of its square.

    Returns:
        Interpolated features, (B, N, C), float32 for half-precision
        features; differentiable in all three tensors.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes, dtypes or devices are wrong or do not match, or
            values are not finite.

    Source: PointNet++ (Qi et al. 2017), equation 2 with k = 3, p = 2.
    """
    features = check_cloud(features, 'features', channels=None)
    squared, idx = three_nn(query, source)
    if features.shape[:2] != source.shape[:2]:
        raise ValueError(
            'features must hold one row per source point, got '
            f'{tuple(features.shape)} for source {tuple(source.shape)}; pass '
            'features of shape (B, S, C)'
        )
    check_pair(squared, features, ('source', 'features'))
    distances = root(squared) if euclidean else squared
    weights = 1 / (distances + 1e-8)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    if torch.compiler.is_compiling():
        # A compiler fuses these, and an exporter knows them.
        near = gather_checked(features, idx)
        return (near * weights[..., None]).sum(dim=2)
    # A bag per query: (B, N, 3, C) is never stored.
    batch, num_source, channels = features.shape
    first = torch.arange(
        0, batch * num_source, num_source, device=features.device
    )
    total = functional.embedding_bag(
        (idx + first[:, None, None]).flatten(0, 1),
        features.flatten(0, 1),
        per_sample_weights=weights.flatten(0, 1),
        mode='sum',
    )
    return total.view(batch, -1, channels)


def root(squared: Tensor) -> Tensor:
    """Return the square root, with gradient 0 instead of infinity at 0.

    Args:
        squared: Numbers >= 0, any shape.

    Returns:
        Their square roots, exact, same shape.
    """
    positive = squared > 0
    return torch.where(positive, squared, 1).sqrt() * positive
