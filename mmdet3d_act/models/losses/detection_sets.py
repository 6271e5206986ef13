"""Sets of boxes, and how far predicted and true ones are apart.

Letters: B scenes, Q queries, M boxes of a scene, C classes. Decoded boxes may
have further dimensions in front: those of the decoder layers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.ops import giou3d, require
from mmdet3d_act.text import check_choice

ROTATIONS = ('exact', 'released')


class DetectionTargets(NamedTuple):
    """True boxes of a batch, padded to those of its fullest scene.

    Attributes:
        valid: bool (B, M), False where there is no box.
        labels: int64 (B, M).
        centers: (B, M, 3), metres.
        centers_normalized: (B, M, 3), [0, 1] across the scene.
        sizes: (B, M, 3), metres.
        sizes_normalized: (B, M, 3), as a part of the scene.
        angles: (B, M), radians, clockwise seen from above.
        angle_classes: int64 (B, M), the nearest of the directions that the
            angle is counted from.
        angle_residuals: (B, M), radians from there.
    """

    valid: Tensor
    labels: Tensor
    centers: Tensor
    centers_normalized: Tensor
    sizes: Tensor
    sizes_normalized: Tensor
    angles: Tensor
    angle_classes: Tensor
    angle_residuals: Tensor


class SetAssignment(NamedTuple):
    """The box of every query.

    Attributes:
        boxes: int64 (..., B, Q), index of the query's box; 0 for a query
            without.
        matched: bool (..., B, Q), whether the query has a box.
    """

    boxes: Tensor
    matched: Tensor


def check_labels(targets: DetectionTargets, num_classes: int) -> None:
    """Refuse true boxes whose label is no class.

    Args:
        targets: The true boxes.
        num_classes: Classes C, without "no object".

    Raises:
        ValueError: If a label is below 0 or ``num_classes`` or above.
    """
    known = (targets.labels >= 0) & (targets.labels < num_classes)
    require(
        known | ~targets.valid,
        f'labels of boxes must be 0 to {num_classes - 1}; num_classes of the '
        "head is the number of the data set's classes",
        targets.labels,
    )


def upright_boxes(centers: Tensor, sizes: Tensor, angles: Tensor) -> Tensor:
    """Return boxes as the operations take them, (..., 7).

    Args:
        centers: (..., 3).
        sizes: (..., 3).
        angles: (...), clockwise; those of the boxes are counter-clockwise.
    """
    return torch.cat([centers, sizes, -angles[..., None]], dim=-1)


def box_giou(
    decoded: dict[str, Tensor], truth: dict[str, Tensor], rotation: str
) -> Tensor:
    """Return the generalised IoU of predicted and true boxes.

    Args:
        decoded: ``centers`` and ``sizes`` (..., 3), ``angles`` (...),
            clockwise.
        truth: The same of true boxes; broadcasts with ``decoded``.
        rotation: ``'exact'``, ``'pretest'`` or ``'corners'``, see
            :func:`~mmdet3d_act.ops.giou3d`, or ``'none'``: no box is turned.
    """
    boxes, others = (
        upright_boxes(one['centers'], one['sizes'], one['angles'])
        for one in (decoded, truth)
    )
    if rotation == 'none':
        return giou3d(boxes[..., :6], others[..., :6])
    return giou3d(boxes, others, rotation=rotation)


def giou_rotation(
    decoded: dict[str, Tensor], targets: DetectionTargets, rotation: str
) -> str:
    """Find how boxes of a batch are intersected, see :func:`box_giou`.

    Args:
        decoded: What the box coder decoded.
        targets: The true boxes.
        rotation: ``'exact'``; or ``'released'``: as the published code of
            3DETR, which takes boxes for turned only if an angle of a true
            one is above 0, and then intersects what passes a pretest.

    Raises:
        ValueError: If ``rotation`` is neither.
    """
    check_choice('rotation', rotation, ROTATIONS)
    if decoded['angle_logits'].shape[-1] == 1:
        return 'none'
    if rotation == 'exact':
        return 'exact'
    return 'pretest' if bool((targets.angles > 0).any()) else 'corners'


def pair_giou(
    decoded: dict[str, Tensor], targets: DetectionTargets, rotation: str
) -> Tensor:
    """Return the generalised IoU of all pairs, (..., B, Q, M).

    Args:
        decoded: What the box coder decoded.
        targets: The true boxes; pairs with padding are 0.
        rotation: ``'exact'`` or ``'released'``, see :func:`giou_rotation`.
    """
    predicted = dict(
        centers=decoded['centers'][..., None, :],
        sizes=decoded['sizes'][..., None, :],
        angles=decoded['angles'][..., None],
    )
    truth = dict(
        centers=targets.centers[:, None],
        sizes=targets.sizes[:, None],
        angles=targets.angles[:, None],
    )
    how = giou_rotation(decoded, targets, rotation)
    return box_giou(predicted, truth, how) * targets.valid[:, None]


def center_distances(
    decoded: dict[str, Tensor], targets: DetectionTargets
) -> Tensor:
    """Return L1 distances of middles in units of the scene, (..., B, Q, M).

    Args:
        decoded: What the box coder decoded.
        targets: The true boxes.
    """
    delta = (
        decoded['centers_normalized'][..., None, :]
        - targets.centers_normalized[:, None]
    )
    return delta.abs().sum(dim=-1)
