"""Intersection over union of upright boxes, also generalised.

Boxes are those of :mod:`mmdet3d_act.ops.boxes3d`: (..., 6), axis-aligned, or
(..., 7), turned. Two arguments are compared box by box and broadcast:
``iou3d(boxes[:, None], others[None])`` compares all pairs. Everything is
differentiable and runs on any device, without a loop over boxes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.ops.boxes3d import box_hulls, check_boxes, footprints

ROTATIONS = ('exact', 'pretest', 'corners')

# Smallest volume that is divided by, cubic metres.
EPS = 1e-8


class _Overlap(NamedTuple):
    """Volumes of pairs of boxes, each of the pairs' shape."""

    intersection: Tensor
    total: Tensor
    enclosing: Tensor


def iou3d(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the volume that two boxes share, as a part of their union.

    Args:
        boxes: (..., 6 or 7).
        others: (..., 6 or 7), of a shape that broadcasts with ``boxes``.

    Returns:
        (...), in [0, 1]; 0 where both have no volume. Exact for turned
        boxes.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes or dtypes are wrong or do not match.
    """
    overlap = _overlap(boxes, others, 'exact')
    union = (overlap.total - overlap.intersection).clamp(min=EPS)
    return overlap.intersection / union


def giou3d(
    boxes: Tensor, others: Tensor, *, rotation: str = 'exact'
) -> Tensor:
    """Return the generalised IoU of boxes.

    IoU minus the part of the enclosing box that neither fills. The enclosing
    box is axis-aligned, for turned boxes too.

    Args:
        boxes: (..., 6 or 7).
        others: (..., 6 or 7), of a shape that broadcasts with ``boxes``.
        rotation: What to do with turned boxes; axis-aligned ones give the
            same in all cases. ``'exact'``: intersect them. The published code
            of 3DETR does otherwise: ``'pretest'`` intersects only what
            overlaps by a rectangle between two opposite corners, which is
            right for small angles and misses four of five overlapping pairs
            of boxes turned at random; ``'corners'`` takes that rectangle for
            the box, which it does in batches without a positive heading.

    Returns:
        (...), in [-1, 1]; 0 for a pair without volume.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If shapes or dtypes are wrong or do not match, or
            ``rotation`` is unknown.

    Source: Rezatofighi et al., Generalized Intersection over Union, CVPR
    2019; Misra et al., 3DETR, ICCV 2021, published code
    (``utils/box_util.py``, commit a5d1aad).
    """
    if rotation not in ROTATIONS:
        raise ValueError(
            f'rotation must be one of {ROTATIONS}, got {rotation!r}'
        )
    overlap = _overlap(boxes, others, rotation)
    union = (overlap.total - overlap.intersection).clamp(min=EPS)
    enclosing = overlap.enclosing.clamp(min=EPS)
    giou = overlap.intersection / union - (1 - union / enclosing)
    known = (overlap.enclosing > 2 * EPS) & (overlap.total > 4 * EPS)
    return torch.where(known, giou, torch.zeros_like(giou))


def _overlap(boxes: Tensor, others: Tensor, rotation: str) -> _Overlap:
    boxes = check_boxes(boxes, 'boxes')
    others = check_boxes(others, 'others')
    if boxes.device != others.device or boxes.dtype != others.dtype:
        raise ValueError(
            'boxes and others must be on one device and of one dtype, got '
            f'{boxes.device}, {boxes.dtype} and {others.device}, '
            f'{others.dtype}; convert one with .to()'
        )
    try:
        shape = torch.broadcast_shapes(boxes.shape[:-1], others.shape[:-1])
    except RuntimeError as error:
        raise ValueError(
            f'boxes {tuple(boxes.shape)} and others {tuple(others.shape)} do '
            'not broadcast; for all pairs pass boxes[:, None] and others[None]'
        ) from error
    low, high = box_hulls(boxes)
    other_low, other_high = box_hulls(others)
    shared = torch.minimum(high, other_high) - torch.maximum(low, other_low)
    shared = shared.clamp(min=0)
    if boxes.shape[-1] == others.shape[-1] == 6:
        area = shared[..., 0] * shared[..., 1]
    else:
        area = _turned_area(boxes, others, shared, rotation)
    span = torch.maximum(high, other_high) - torch.minimum(low, other_low)
    volumes = [
        one[..., 3:6].prod(dim=-1).clamp(min=EPS) for one in (boxes, others)
    ]
    return _Overlap(
        area * shared[..., 2],
        (volumes[0] + volumes[1]).expand(shape),
        span.prod(dim=-1),
    )


def _turned_area(
    boxes: Tensor, others: Tensor, shared: Tensor, rotation: str
) -> Tensor:
    """Area that the footprints of pairs share, (...).

    Args:
        boxes: (..., 6 or 7).
        others: (..., 6 or 7).
        shared: Extents that the pairs' hulls share, (..., 3).
        rotation: See :func:`giou3d`.
    """
    shape = shared.shape[:-1]
    first, second = footprints(boxes), footprints(others)
    if rotation == 'exact':
        hull = shared.detach()
        candidates = hull[..., 0] * hull[..., 1] > 0
    else:
        # From corner (-dx, -dy) to corner (+dx, +dy), wherever they are.
        low = torch.maximum(first[..., 2, :], second[..., 2, :])
        high = torch.minimum(first[..., 0, :], second[..., 0, :])
        rectangle = (high - low).clamp(min=0).prod(dim=-1)
        if rotation == 'corners':
            return rectangle
        candidates = rectangle.detach() > 0
    first = first.expand(*shape, 4, 2)[candidates]
    second = second.expand(*shape, 4, 2)[candidates]
    area = boxes.new_zeros(shape)
    return area.masked_scatter(candidates, convex_intersection(first, second))


def convex_intersection(polygons: Tensor, others: Tensor) -> Tensor:
    """Return the areas that pairs of convex polygons share, (P,).

    Args:
        polygons: (P, V, 2), corners counter-clockwise.
        others: (P, W, 2), corners counter-clockwise.
    """
    # Near the origin the products below lose least.
    origin = others.detach().mean(dim=1, keepdim=True)
    polygons, others = polygons - origin, others - origin
    for index in range(others.shape[1]):
        start = others[:, index]
        end = others[:, (index + 1) % others.shape[1]]
        polygons = _keep_left(polygons, start, end)
    following = polygons.roll(-1, dims=1)
    return _cross(polygons, following).sum(dim=1).abs() / 2


def _keep_left(polygons: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Cut polygons along lines and keep what is left of them.

    Args:
        polygons: (P, V, 2).
        start: A point of each line, (P, 2).
        end: Another one, further along, (P, 2).

    Returns:
        (P, V + 1, 2): what is kept; its first corner is repeated where there
        are fewer.
    """
    number = polygons.shape[1]
    side = _cross((end - start)[:, None], polygons - start[:, None])
    inside = side >= 0
    following, next_side = polygons.roll(-1, dims=1), side.roll(-1, dims=1)
    crosses = inside != inside.roll(-1, dims=1)
    step = torch.where(crosses, side - next_side, torch.ones_like(side))
    share = torch.where(crosses, side, torch.zeros_like(side)) / step
    cuts = polygons + share[..., None] * (following - polygons)
    corners = torch.stack([polygons, cuts], dim=2).flatten(1, 2)  # P 2V 2
    kept = torch.stack([inside, crosses], dim=2).flatten(1, 2)
    order = torch.argsort(~kept, dim=1, stable=True)[:, : number + 1]
    place = torch.arange(number + 1, device=polygons.device)
    order = torch.where(place < kept.sum(1, keepdim=True), order, order[:, :1])
    return corners.gather(1, order[..., None].expand(-1, -1, 2))


def _cross(first: Tensor, second: Tensor) -> Tensor:
    """Return x1 y2 - y1 x2 of (..., 2) vectors."""
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
