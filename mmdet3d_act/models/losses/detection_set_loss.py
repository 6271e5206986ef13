"""Loss between a set of predicted boxes and the boxes assigned to them.

Letters: L decoder layers, B scenes, Q queries, M boxes of a scene, C classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from mmdet3d_act.models.losses.detection_sets import (
    DetectionTargets,
    SetAssignment,
    box_giou,
    check_labels,
    giou_rotation,
)
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class DetectionSetLoss(nn.Module):
    """3DETR's loss of classes, middles, sizes, angles and overlaps.

    Classes: cross-entropy of all queries, "no object" weighted by
    ``no_object_weight``. Middles and sizes: L1 in units of the scene. Overlap:
    one minus the generalised IoU. Angle: cross-entropy of the direction and
    Huber's loss of the residual in halves of a bin. All but the classes are
    sums over the queries that have a box, divided by the number of boxes (of
    these queries, where boxes have several), averaged over the processes.
    Every decoder layer counts alike; a weight of 0 leaves a term out.

    Source: Misra et al., 3DETR, ICCV 2021, equation 1; published code
    (``criterion.py``, commit a5d1aad). Its defaults are those of ScanNet.

    Args:
        num_classes: Classes C, without "no object".
        cls_weight: Of the classes.
        giou_weight: Of the overlap.
        center_weight: Of the middles.
        size_weight: Of the sizes.
        angle_cls_weight: Of the direction.
        angle_residual_weight: Of the angle's residual.
        no_object_weight: Of "no object" among the classes.
        rotation: ``'exact'``, or ``'released'`` for the published arithmetic
            with turned boxes, see :func:`giou_rotation`.
        regress_constant_angle: Whether the residual is regressed, to 0, where
            there is one direction only, and so no angle: published code does,
            and it counts.

    Raises:
        ValueError: If ``num_classes`` is less than 1, a weight negative, or
            all of them are 0.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        cls_weight: float = 1.0,
        giou_weight: float = 1.0,
        center_weight: float = 5.0,
        size_weight: float = 1.0,
        angle_cls_weight: float = 0.1,
        angle_residual_weight: float = 0.5,
        no_object_weight: float = 0.25,
        rotation: str = 'exact',
        regress_constant_angle: bool = True,
    ) -> None:
        super().__init__()
        self.weights = dict(
            cls=cls_weight,
            giou=giou_weight,
            center=center_weight,
            size=size_weight,
            angle_cls=angle_cls_weight,
            angle_residual=angle_residual_weight,
        )
        if (
            num_classes < 1
            or min(*self.weights.values(), no_object_weight) < 0
        ):
            raise ValueError(
                'num_classes must be >= 1 and weights >= 0, got '
                f'{num_classes} and {self.weights}, no_object_weight='
                f'{no_object_weight}'
            )
        if not any(self.weights.values()):
            raise ValueError(
                'all weights are 0, so that there is nothing to learn; set '
                'one above 0'
            )
        self.num_classes = num_classes
        self.rotation = rotation
        self.regress_constant_angle = regress_constant_angle
        weight = torch.ones(num_classes + 1)
        weight[-1] = no_object_weight
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(
        self,
        decoded: dict[str, Tensor],
        targets: DetectionTargets,
        assignment: SetAssignment,
    ) -> dict[str, Tensor]:
        """Return the weighted losses, scalars, by name.

        Args:
            decoded: What the box coder decoded, (L, B, Q, ...), the first
                decoder layer first.
            targets: The true boxes.
            assignment: Which of them each query is to predict, (L, B, Q).

        Returns:
            ``loss_cls``, ``loss_center`` and so on of the last layer,
            ``d0.loss_cls`` of the first, and so on. Beside them
            ``cardinality_error``: how far the number of predicted objects of
            a scene is from the true one.

        Raises:
            ValueError: If a label is no class.
        """
        check_labels(targets, self.num_classes)
        matched = assignment.matched.float()
        truth = _assigned(targets, assignment)
        number = torch.maximum(targets.valid.sum(), matched[-1].sum()).float()
        all_reduce(number, 'mean')
        number = number.clamp(min=1)
        terms = dict(cls=self._classes(decoded, truth, assignment.matched))
        for name, loss in self._boxes(decoded, targets, truth).items():
            terms[name] = (loss * matched).sum(dim=(1, 2)) / number
        losses = self._by_layer(terms)
        found = decoded['cls_logits'][-1].argmax(-1) < self.num_classes
        error = found.sum(-1).float() - targets.valid.sum(-1)
        losses['cardinality_error'] = error.abs().mean().detach()
        return losses

    def _classes(
        self, decoded: dict[str, Tensor], truth: dict, matched: Tensor
    ) -> Tensor:
        """Return the weighted mean cross-entropy of every layer, (L,)."""
        wanted = torch.where(matched, truth['labels'], self.num_classes)
        logits = decoded['cls_logits']
        losses = F.cross_entropy(
            logits.flatten(0, -2), wanted.flatten(), reduction='none'
        ).view(wanted.shape)
        weight = self.class_weight[wanted]
        return (losses * weight).sum((1, 2)) / weight.sum((1, 2))

    def _boxes(
        self,
        decoded: dict[str, Tensor],
        targets: DetectionTargets,
        truth: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """Return the losses of every query, (L, B, Q), by name."""
        losses = {}
        for name in ('center', 'size'):
            key = f'{name}s_normalized'
            losses[name] = (decoded[key] - truth[key]).abs().sum(dim=-1)
        if self.weights['giou']:
            how = giou_rotation(decoded, targets, self.rotation)
            losses['giou'] = 1 - box_giou(decoded, truth, how)
        logits = decoded['angle_logits']
        num_bins = logits.shape[-1]
        losses['angle_cls'] = F.cross_entropy(
            logits.flatten(0, -2),
            truth['angle_classes'].flatten(),
            reduction='none',
        ).view(logits.shape[:-1])
        own = truth['angle_classes'][..., None]
        predicted = decoded['angle_residuals'].gather(-1, own).squeeze(-1)
        wanted = truth['angle_residuals'] * num_bins / math.pi
        losses['angle_residual'] = F.huber_loss(
            predicted, wanted, reduction='none'
        )
        if num_bins == 1 and not self.regress_constant_angle:
            # Gradients of 0: several processes wait for all parameters.
            losses['angle_residual'] = 0 * losses['angle_residual']
        return losses

    def _by_layer(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return weighted terms of (L,) losses, named by their layer."""
        losses = {}
        last = len(terms['cls']) - 1
        for name, values in terms.items():
            if not self.weights[name]:
                continue
            for layer, value in enumerate(values):
                prefix = '' if layer == last else f'd{layer}.'
                losses[f'{prefix}loss_{name}'] = self.weights[name] * value
        return losses


def _assigned(
    targets: DetectionTargets, assignment: SetAssignment
) -> dict[str, Tensor]:
    """Return the true box of every query, (L, B, Q, ...), by name."""
    scene = torch.arange(len(targets.valid), device=targets.valid.device)
    return {
        name: value[scene[:, None], assignment.boxes]
        for name, value in targets._asdict().items()
    }
