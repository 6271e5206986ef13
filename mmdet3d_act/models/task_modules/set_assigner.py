"""Which query is to predict which box.

Letters: L decoder layers, B scenes, Q queries, M boxes of a scene, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet3d_act.models.losses import (
    DetectionTargets,
    SetAssignment,
    center_distances,
    check_labels,
    pair_giou,
)
from mmdet3d_act.registry import TASK_UTILS
from mmdet3d_act.text import check_least


@TASK_UTILS.register_module()
class HungarianSetAssigner:
    """Gives each true box the query that fits it best, one to one.

    Or as many queries as ``queries_per_box`` says, if half of all suffice: the
    others are to say that there is nothing. The sum of the costs is minimal
    (Hungarian algorithm), for every scene and decoder layer by itself. A pair
    costs ``-cls_cost`` times the score of the box's class,
    ``-objectness_cost`` times one minus the score of "no object",
    ``center_cost`` times the L1 distance of the middles in units of the
    scene, and ``-giou_cost`` times the generalised IoU.

    Source: Misra et al., 3DETR, ICCV 2021, section 3.3; published code
    (``criterion.py``, commit a5d1aad). Its defaults are those of ScanNet.

    Args:
        cls_cost: See above.
        giou_cost: See above.
        center_cost: See above.
        objectness_cost: See above.
        queries_per_box: Queries that a box is given at most. More than one
            teach faster: a short training has few boxes, and suppression
            removes what is found twice.
        rotation: ``'exact'``, or ``'released'`` for the published arithmetic
            with turned boxes, see
            :func:`~mmdet3d_act.models.losses.pair_giou`.

    Raises:
        ValueError: If ``queries_per_box`` is less than 1.
    """

    def __init__(
        self,
        *,
        cls_cost: float = 1.0,
        giou_cost: float = 2.0,
        center_cost: float = 0.0,
        objectness_cost: float = 0.0,
        queries_per_box: int = 1,
        rotation: str = 'exact',
    ) -> None:
        check_least('queries_per_box', queries_per_box, 1)
        self.cls_cost = cls_cost
        self.giou_cost = giou_cost
        self.center_cost = center_cost
        self.objectness_cost = objectness_cost
        self.queries_per_box = queries_per_box
        self.rotation = rotation

    @torch.no_grad()
    def costs(
        self, decoded: dict[str, Tensor], targets: DetectionTargets
    ) -> Tensor:
        """Matching cost of every pair, (..., B, Q, M).

        Args:
            decoded: What the box coder decoded, of any number of layers.
            targets: The true boxes.

        Raises:
            ValueError: If a label is no class.
        """
        scores = decoded['class_scores']  # (..., B, Q, C)
        check_labels(targets, scores.shape[-1])
        shape = (*scores.shape[:-1], targets.labels.shape[-1])
        wanted = targets.labels[:, None].expand(shape)
        cost = -self.cls_cost * scores.gather(-1, wanted)
        if self.objectness_cost:
            objectness = decoded['objectness'][..., None]
            cost = cost - self.objectness_cost * objectness
        if self.center_cost:
            distance = center_distances(decoded, targets)
            cost = cost + self.center_cost * distance
        if self.giou_cost:
            giou = pair_giou(decoded, targets, self.rotation)
            cost = cost - self.giou_cost * giou
        return cost

    @torch.no_grad()
    def assign(
        self, decoded: dict[str, Tensor], targets: DetectionTargets
    ) -> SetAssignment:
        """Return the assignment of every layer and scene.

        Args:
            decoded: What the box coder decoded, of any number of layers.
            targets: The true boxes.

        Raises:
            ValueError: If a label is no class.
        """
        from scipy.optimize import linear_sum_assignment

        cost = self.costs(decoded, targets)
        boxes = torch.zeros(cost.shape[:-1], dtype=torch.int64)
        matched = torch.zeros(cost.shape[:-1], dtype=torch.bool)
        counts = targets.valid.sum(-1).tolist()
        table = cost.flatten(0, -4) if cost.dim() > 3 else cost[None]
        layers = zip(
            # What is not finite shows in the losses.
            table.cpu().nan_to_num(),
            boxes.view(table.shape[:-1]),
            matched.view(table.shape[:-1]),
            strict=True,
        )
        for layer, own_boxes, own_matched in layers:
            for scene, count in enumerate(counts):
                own = layer[scene, :, :count]
                half = len(own) // (2 * max(1, count))
                times = max(1, min(self.queries_per_box, half))
                rows, columns = linear_sum_assignment(
                    own.repeat(1, times).numpy()
                )
                own_boxes[scene, rows] = torch.from_numpy(columns) % count
                own_matched[scene, rows] = True
        return SetAssignment(boxes.to(cost.device), matched.to(cost.device))
