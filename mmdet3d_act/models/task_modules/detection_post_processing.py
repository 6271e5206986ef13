"""From the boxes of all queries to the detections of a scene.

Letters: B scenes, N points, Q queries, C classes, D detections.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet3d_act.models.losses import upright_boxes
from mmdet3d_act.ops import box_hulls, count_points_in_boxes
from mmdet3d_act.registry import TASK_UTILS, depth_boxes
from mmdet3d_act.text import check_choice, check_least

SUPPRESSIONS = ('per_class', 'class_agnostic', 'birds_eye', 'none')
SCORINGS = ('every_class', 'best_class', 'objectness')

# What is read of decoded boxes, and the dimensions of one layer's.
DIMENSIONS = dict(centers=3, sizes=3, angles=2, class_scores=3, objectness=2)


@TASK_UTILS.register_module()
class DetectionPostProcessing:
    """Drops empty, doubled and unlikely boxes, and scores the others.

    By default as the published evaluation of 3DETR: boxes with fewer than 5
    points are dropped (if all have, the likeliest object stays); of boxes
    whose likeliest class is the same and whose axis-aligned hulls have an IoU
    above 0.25 only the likeliest object stays; its probability of being one
    must be above 0.05; and what is left is emitted once for every class, with
    the product of both probabilities as score, class by class.

    Source: Misra et al., 3DETR, ICCV 2021, published code
    (``utils/ap_calculator.py``, commit a5d1aad), after Qi et al., VoteNet.

    Args:
        min_points: Boxes with fewer points are dropped; 0 keeps all.
        suppression: ``'per_class'``: among boxes of the same likeliest
            class; ``'class_agnostic'``: among all; ``'birds_eye'``: among
            all, seen from above; ``'none'``.
        overlap_threshold: Boxes that overlap more than this with a likelier
            one are suppressed.
        overlap_of: ``'union'``: the overlap is the IoU; ``'own'``: the
            part of the less likely box's own volume.
        score_threshold: Probability of being an object that is needed.
        scoring: ``'every_class'``: one detection for every box and class,
            see above; ``'best_class'``: the probability of the likeliest
            class alone, one detection for every box; ``'objectness'``:
            that of being an object, likewise.

    Raises:
        ValueError: If an option is unknown or out of its range.
    """

    def __init__(
        self,
        *,
        min_points: int = 5,
        suppression: str = 'per_class',
        overlap_threshold: float = 0.25,
        overlap_of: str = 'union',
        score_threshold: float = 0.05,
        scoring: str = 'every_class',
    ) -> None:
        for name, value, known in (
            ('suppression', suppression, SUPPRESSIONS),
            ('scoring', scoring, SCORINGS),
            ('overlap_of', overlap_of, ('union', 'own')),
        ):
            check_choice(name, value, known)
        check_least('min_points', min_points, 0)
        for name, share in (
            ('overlap_threshold', overlap_threshold),
            ('score_threshold', score_threshold),
        ):
            if not 0 <= share <= 1:
                raise ValueError(f'{name} must be in [0, 1], got {share}')
        self.min_points = min_points
        self.suppression = suppression
        self.overlap_threshold = overlap_threshold
        self.overlap_of = overlap_of
        self.score_threshold = score_threshold
        self.scoring = scoring

    @torch.no_grad()
    def __call__(
        self, decoded: dict[str, Tensor], points: Tensor | Sequence[Tensor]
    ) -> list[InstanceData]:
        """Return the detections of every scene.

        Args:
            decoded: What the box coder decoded, (B, Q, ...), or of several
                layers, (L, B, Q, ...), of which the last is taken.
            points: (B, N, 3 + F), or a list of (N, 3 + F).

        Returns:
            A scene's ``bboxes_3d`` (MMDetection3D's `DepthInstance3DBoxes`;
            turned ones where the angle has several directions), ``scores_3d``
            (D,) and ``labels_3d`` (D,), int64.
        """
        chosen = {
            name: decoded[name][-1]
            if decoded[name].dim() > dims
            else decoded[name]
            for name, dims in DIMENSIONS.items()
        }
        turned = decoded['angle_logits'].shape[-1] > 1
        boxes = upright_boxes(
            chosen['centers'], chosen['sizes'], chosen['angles']
        )
        return [
            self.scene(*own, turned=turned)
            for own in zip(
                boxes,
                chosen['class_scores'],
                chosen['objectness'],
                points,
                strict=True,
            )
        ]

    def scene(
        self,
        boxes: Tensor,
        class_scores: Tensor,
        objectness: Tensor,
        points: Tensor,
        *,
        turned: bool = False,
    ) -> InstanceData:
        """Return the detections of one scene, see :meth:`__call__`.

        Args:
            boxes: (Q, 7), yaw counter-clockwise.
            class_scores: (Q, C).
            objectness: (Q,).
            points: (N, 3 + F).
            turned: Whether boxes have a yaw.
        """
        kept = self._kept(boxes, class_scores, objectness, points[:, :3])
        kept = kept & (objectness > self.score_threshold)
        queries = kept.nonzero().squeeze(1)
        number = class_scores.shape[1]
        if self.scoring == 'every_class':
            labels = torch.arange(number, device=boxes.device)
            labels = labels.repeat_interleave(len(queries))
            queries = queries.repeat(number)
            scores = class_scores[queries, labels] * objectness[queries]
        else:
            best, labels = class_scores[queries].max(dim=1)
            scores = best
            if self.scoring == 'objectness':
                scores = objectness[queries]
        return InstanceData(
            bboxes_3d=depth_boxes(boxes[queries], turned=turned),
            scores_3d=scores,
            labels_3d=labels,
        )

    def _kept(
        self,
        boxes: Tensor,
        class_scores: Tensor,
        objectness: Tensor,
        points: Tensor,
    ) -> Tensor:
        """Find which boxes are neither empty nor suppressed, bool (Q,)."""
        kept = torch.ones_like(objectness, dtype=torch.bool)
        if self.min_points:
            kept = count_points_in_boxes(points, boxes) >= self.min_points
            if not kept.any():
                kept[objectness.argmax()] = True
        if self.suppression == 'none':
            return kept
        queries = kept.nonzero().squeeze(1)
        classes = None
        if self.suppression == 'per_class':
            classes = class_scores[queries].argmax(dim=1)
        chosen = suppress(
            boxes[queries],
            objectness[queries],
            self.overlap_threshold,
            classes=classes,
            flat=self.suppression == 'birds_eye',
            own=self.overlap_of == 'own',
        )
        kept = torch.zeros_like(kept)
        kept[queries[chosen]] = True
        return kept


def suppress(
    boxes: Tensor,
    scores: Tensor,
    threshold: float,
    *,
    classes: Tensor | None = None,
    flat: bool = False,
    own: bool = False,
) -> Tensor:
    """Find which boxes no box of higher score overlaps, int64 indices.

    Args:
        boxes: (Q, 6 or 7); their axis-aligned hulls are compared.
        scores: (Q,).
        threshold: Overlap above which the lower score goes.
        classes: (Q,): only boxes of one class are compared; None: all.
        flat: Whether boxes are compared as seen from above.
        own: Whether the overlap is divided by the volume of the box of lower
            score, instead of by the union.
    """
    low, high = box_hulls(boxes)
    axes = 2 if flat else 3
    low, high = low[:, :axes], high[:, :axes]
    shared = torch.minimum(high[:, None], high) - torch.maximum(
        low[:, None], low
    )
    shared = shared.clamp(min=0).prod(dim=-1)
    volume = (high - low).prod(dim=-1)
    whole = volume[None] if own else volume[:, None] + volume - shared
    # Boxes without volume overlap with nothing.
    overlap = shared / whole.clamp(min=torch.finfo(whole.dtype).tiny)
    if classes is not None:
        overlap = overlap * (classes[:, None] == classes)
    rivals = (overlap > threshold).cpu()
    left = torch.ones(len(boxes), dtype=torch.bool)
    chosen = []
    # Of equal scores the last comes first, as in the published code.
    for query in scores.argsort(stable=True).flip(0).tolist():
        if left[query]:
            chosen.append(query)
            left &= ~rivals[query]
            left[query] = False
    return torch.tensor(chosen, dtype=torch.int64, device=boxes.device)
