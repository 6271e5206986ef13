"""Corners, hulls and contents of upright boxes.

A box is (x, y, z, dx, dy, dz) or (x, y, z, dx, dy, dz, yaw): its middle, its
sizes along its own axes, and its turn about the z axis, which points up, in
radians, counter-clockwise seen from above. MMDetection3D's
`DepthInstance3DBoxes` turn alike, but state the middle of the bottom; theirs
of the whole is ``gravity_center``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet3d_act.ops._checks import check_tensor

# Signs of the corners of a face in the box's own axes, counter-clockwise.
FACE = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))

# Pairs of a point and a box that are compared at once.
PAIRS_AT_ONCE = 1 << 22


def check_boxes(boxes: Tensor, name: str) -> Tensor:
    """Return boxes in the precision that the operations compute in.

    Args:
        boxes: (..., 6 or 7); half precision comes back as float32.
        name: What the caller calls the argument; errors use it.

    Raises:
        TypeError: If ``boxes`` is no tensor.
        ValueError: If the shape or the dtype is wrong.
    """
    check_tensor(boxes, name)
    if boxes.dim() < 1 or boxes.shape[-1] not in (6, 7):
        raise ValueError(
            f'{name} must have shape (..., 6) or (..., 7): middle, sizes and '
            f'perhaps yaw, got {tuple(boxes.shape)}; join them with torch.cat'
        )
    if not boxes.is_floating_point():
        raise ValueError(
            f'{name} must be floating point, got {boxes.dtype}; convert it '
            'with .float()'
        )
    return boxes.float() if boxes.element_size() < 4 else boxes


def footprints(boxes: Tensor) -> Tensor:
    """Return the corners of the boxes seen from above, (..., 4, 2).

    Args:
        boxes: (..., 6 or 7).

    Returns:
        In the order (+dx, +dy), (-dx, +dy), (-dx, -dy), (+dx, -dy), which is
        counter-clockwise, turned with the box.
    """
    boxes = check_boxes(boxes, 'boxes')
    signs = boxes.new_tensor(FACE)
    corners = signs * boxes[..., None, 3:5] / 2
    if boxes.shape[-1] == 7:
        corners = _turned(corners, boxes[..., 6, None])
    return boxes[..., None, :2] + corners


def _turned(places: Tensor, yaw: Tensor) -> Tensor:
    """Turn (..., 2) places counter-clockwise by yaw (...)."""
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    x, y = places.unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


def box_corners(boxes: Tensor) -> Tensor:
    """Return the eight corners of every box, (..., 8, 3).

    Args:
        boxes: (..., 6 or 7).

    Returns:
        The bottom face, then the top face, each in the order of
        :func:`footprints`.

    Raises:
        TypeError: If ``boxes`` is no tensor.
        ValueError: If its shape or dtype is wrong.
    """
    face = footprints(boxes)
    boxes = check_boxes(boxes, 'boxes')
    half = boxes[..., 5] / 2
    faces = [
        torch.cat([face, z[..., None, None].expand_as(face[..., :1])], dim=-1)
        for z in (boxes[..., 2] - half, boxes[..., 2] + half)
    ]
    return torch.cat(faces, dim=-2)


def box_hulls(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest coordinates of every box, (..., 3) each.

    Args:
        boxes: (..., 6 or 7).

    Raises:
        TypeError: If ``boxes`` is no tensor.
        ValueError: If its shape or dtype is wrong.
    """
    boxes = check_boxes(boxes, 'boxes')
    half = boxes[..., 3:6] / 2
    if boxes.shape[-1] == 7:
        cos, sin = torch.cos(boxes[..., 6]).abs(), torch.sin(boxes[..., 6])
        sin = sin.abs()
        dx, dy, dz = half.unbind(-1)
        half = torch.stack([cos * dx + sin * dy, sin * dx + cos * dy, dz], -1)
    return boxes[..., :3] - half, boxes[..., :3] + half


def count_points_in_boxes(points: Tensor, boxes: Tensor) -> Tensor:
    """Return how many points of a cloud lie in each box, (Q,), int64.

    Args:
        points: (N, 3), N may be 0.
        boxes: (Q, 6 or 7), Q may be 0; their surfaces belong to them.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If a shape or dtype is wrong.
    """
    inside = points_in_boxes(points, boxes)
    counts = [chunk.sum(dim=0) for chunk in inside]
    return torch.stack(counts).sum(dim=0)


def points_in_boxes(points: Tensor, boxes: Tensor) -> list[Tensor]:
    """Return which points lie in which box, in chunks of the points.

    Args:
        points: (N, 3).
        boxes: (Q, 6 or 7).

    Returns:
        bool (n, Q) tensors, at least one, whose n sum to N.

    Raises:
        TypeError: If an argument is no tensor.
        ValueError: If a shape or dtype is wrong.
    """
    check_tensor(points, 'points')
    boxes = check_boxes(boxes, 'boxes')
    if points.dim() != 2 or points.shape[-1] != 3 or boxes.dim() != 2:
        raise ValueError(
            'points must have shape (N, 3) and boxes (Q, 6 or 7), got '
            f'{tuple(points.shape)} and {tuple(boxes.shape)}; pass one scene, '
            'coordinates only'
        )
    size = max(1, PAIRS_AT_ONCE // max(1, len(boxes)))
    return [_inside(chunk, boxes) for chunk in points.split(size)]


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    places = points[:, None].to(boxes.dtype) - boxes[None, :, :3]
    if boxes.shape[-1] == 7:
        flat = _turned(places[..., :2], -boxes[:, 6])
        places = torch.cat([flat, places[..., 2:]], dim=-1)
    return (places.abs() <= boxes[:, 3:6] / 2).all(dim=-1)
