"""Intersection over union of upright boxes, also generalised.

Boxes are those of :mod:`mmdet3d_act.ops.boxes3d`: (..., 6), axis-aligned, or
(..., 7), turned. Two arguments are compared box by box and broadcast:
``iou3d(boxes[:, None], others[None])`` compares all pairs. Everything is
differentiable and runs on any device, without a loop over boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.ops.boxes3d import box_hulls, check_boxes, footprints
from mmdet3d_act.text import check_choice

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
    check_choice('rotation', rotation, ROTATIONS)
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
    first, second = footprints(boxes), footprints(others)
    if rotation == 'exact':
        overlaps = (shared[..., :2] > 0).all(dim=-1)
    else:
        # From corner (-dx, -dy) to corner (+dx, +dy), wherever they are.
        low = torch.maximum(first[..., 2, :], second[..., 2, :])
        high = torch.minimum(first[..., 0, :], second[..., 0, :])
        rectangle = (high - low).clamp(min=0).prod(dim=-1)
        if rotation == 'corners':
            return rectangle
        overlaps = rectangle > 0
    corners = [_seen_from(others, place) for place in first.unbind(-2)]
    area = rectangle_intersection(corners, others[..., 3:5] / 2)
    return torch.where(overlaps, area, torch.zeros_like(area))


def _seen_from(boxes: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Put places (..., 2) into the axes of boxes, around their middles."""
    # Coordinate by coordinate, as pairs of two numbers broadcast slowly.
    x, y = (places[..., axis] - boxes[..., axis] for axis in (0, 1))
    if boxes.shape[-1] == 6:
        return x, y
    cos, sin = torch.cos(boxes[..., 6]), torch.sin(boxes[..., 6])
    return cos * x + sin * y, cos * y - sin * x


def rectangle_intersection(
    corners: Sequence[tuple[Tensor, Tensor]], half: Tensor
) -> Tensor:
    """Compute the areas that convex polygons share with rectangles, (...).

    The area of a polygon is the integral of x dy along its edges. Of what
    lies in a rectangle it is the same integral with x clamped, over those y
    that the rectangle has: edge by edge in closed form, nothing is sorted
    and all shapes are known.

    Args:
        corners: x and y (...) of each corner in the axes of the rectangle,
            around its middle, counter-clockwise.
        half: Half of the rectangle's sides, (..., 2).
    """
    wide, high = half.unbind(-1)
    reached = [_clamped(y, high) for _, y in corners]
    areas = []
    for index, (x, y) in enumerate(corners):
        following = (index + 1) % len(corners)
        run, rise = corners[following][0] - x, corners[following][1] - y
        slope = torch.where(rise == 0, 1, rise)
        # Where along the edge the rectangle's y begin and end.
        first, last = (
            x + ((reached[end] - y) / slope).clamp(0, 1) * run
            for end in (index, following)
        )
        low, up = _clamped(first, wide), _clamped(last, wide)
        # The mean of a clamped linear function.
        length = last - first
        share = (up - low) / torch.where(length == 0, 1, length)
        mean = (low + up + share * (first - low + last - up)) / 2
        areas.append(mean * (reached[following] - reached[index]))
    return torch.stack(areas).sum(dim=0).clamp(min=0)


def _clamped(values: Tensor, limit: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(values, -limit), limit)
