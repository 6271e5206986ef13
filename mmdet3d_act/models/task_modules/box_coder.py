"""From what a detection head predicts to boxes, and from boxes to targets.

Letters: L decoder layers, B scenes, Q queries, M boxes of a scene, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmdet3d_act.models.losses import DetectionTargets
from mmdet3d_act.ops import require
from mmdet3d_act.registry import TASK_UTILS, gravity_boxes

# A scene counts as at least this large in every direction, metres.
MIN_EXTENT = 0.1


@TASK_UTILS.register_module()
class ThreeDETRBoxCoder:
    """3DETR's parametrisation of boxes.

    The middle is a query's place and an offset of at most half a metre in
    every direction, the size a part of the scene's extent, the angle one of
    ``num_angle_bins`` directions and a residual. Angles are clockwise seen
    from above, as in the published code: minus MMDetection3D's yaw.

    Source: Misra et al., An End-to-End Transformer Model for 3D Object
    Detection, ICCV 2021; published code, commit a5d1aad.

    Example:
        >>> coder = ThreeDETRBoxCoder(num_angle_bins=12)
        >>> direction, residual = coder.encode_angles(torch.tensor(0.6))
        >>> int(direction), round(float(residual), 3)
        (1, 0.076)

    Args:
        num_angle_bins: Directions; 1 for boxes that are not turned.

    Raises:
        ValueError: If it is less than 1.
    """

    def __init__(self, num_angle_bins: int = 1) -> None:
        if num_angle_bins < 1:
            raise ValueError(
                f'num_angle_bins must be >= 1, got {num_angle_bins}; 1 is for '
                'boxes that are not turned'
            )
        self.num_angle_bins = num_angle_bins

    def decode(self, outputs: dict) -> dict[str, Tensor]:
        """Return boxes and scores, float32.

        Args:
            outputs: Raw predictions: ``cls_logits`` (..., B, Q, C + 1), the
                last class is "no object"; ``center_offset`` and
                ``size_logits`` (..., B, Q, 3); ``angle_logits`` and
                ``angle_residual`` (..., B, Q, bins); beside ``query_xyz``
                (B, Q, 3) and ``scene_range``, lowest and highest
                coordinates, (B, 3) each.

        Returns:
            A dict: ``cls_logits``, ``angle_logits`` and ``angle_residuals``
            as they were, the last in halves of a bin; ``centers`` and
            ``sizes`` in metres, ``centers_normalized`` and
            ``sizes_normalized`` in units of the scene, (..., B, Q, 3);
            ``angles`` (..., B, Q); without gradient ``class_scores``
            (..., B, Q, C) and ``objectness`` (..., B, Q).
        """
        low, extent = _scene(outputs['scene_range'])
        offset = outputs['center_offset'].float().sigmoid() - 0.5
        centers = outputs['query_xyz'].float() + offset
        sizes_normalized = outputs['size_logits'].float().sigmoid()
        cls_logits = outputs['cls_logits'].float()
        scores = cls_logits.detach().softmax(dim=-1)
        residuals = outputs['angle_residual'].float()
        angle_logits = outputs['angle_logits'].float()
        return dict(
            cls_logits=cls_logits,
            class_scores=scores[..., :-1],
            objectness=1 - scores[..., -1],
            centers=centers,
            centers_normalized=(centers - low) / extent,
            sizes=sizes_normalized * extent,
            sizes_normalized=sizes_normalized,
            angle_logits=angle_logits,
            angle_residuals=residuals,
            angles=self.decode_angles(angle_logits, residuals),
        )

    def decode_angles(self, logits: Tensor, residuals: Tensor) -> Tensor:
        """Return angles, (...), in (-pi, pi]; 0 with one direction.

        Args:
            logits: Of the directions, (..., bins).
            residuals: From each direction, (..., bins), in halves of a bin.
        """
        if self.num_angle_bins == 1:
            return torch.zeros_like(residuals[..., 0])
        chosen = logits.detach().argmax(dim=-1, keepdim=True)
        half = math.pi / self.num_angle_bins
        residual = residuals.gather(-1, chosen).squeeze(-1) * half
        angles = 2 * half * chosen.squeeze(-1) + residual
        return torch.where(angles > math.pi, angles - 2 * math.pi, angles)

    def encode_angles(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest direction of angles, and what is left.

        Args:
            angles: (...), radians.

        Returns:
            int64 (...), and (...) radians within half a bin.
        """
        bin_size = 2 * math.pi / self.num_angle_bins
        shifted = (angles + bin_size / 2) % (2 * math.pi)
        # Rounding can make the remainder a whole turn.
        classes = (shifted / bin_size).long() % self.num_angle_bins
        shifted = torch.where(
            shifted >= 2 * math.pi, shifted - 2 * math.pi, shifted
        )
        return classes, shifted - (classes + 0.5) * bin_size

    def encode(
        self,
        gt_instances: Sequence,
        scene_range: tuple[Tensor, Tensor],
    ) -> DetectionTargets:
        """Return the targets of a batch.

        Args:
            gt_instances: One a scene, each with ``bboxes_3d``, MMDetection3D's
                `DepthInstance3DBoxes`, and ``labels_3d``; scenes may have no
                boxes, boxes no volume.
            scene_range: Lowest and highest coordinates of the scenes, (B, 3)
                each, metres.

        Raises:
            ValueError: If a box is not finite or has a negative size, or is
                turned and the coder has one direction only.
        """
        low, extent = _scene(scene_range)
        most = max([1, *(len(one.labels_3d) for one in gt_instances)])
        shape = (len(gt_instances), most)
        boxes = low.new_zeros(*shape, 7)
        labels = torch.zeros(shape, dtype=torch.int64, device=low.device)
        valid = torch.zeros(shape, dtype=torch.bool, device=low.device)
        for scene, own in enumerate(gt_instances):
            number = len(own.labels_3d)
            if number:
                boxes[scene, :number] = gravity_boxes(own.bboxes_3d).to(low)
                labels[scene, :number] = torch.as_tensor(own.labels_3d).to(
                    labels
                )
                valid[scene, :number] = True
        self._check_boxes(boxes)
        angles = -boxes[..., 6]
        classes, residuals = self.encode_angles(angles)
        if self.num_angle_bins == 1:
            residuals = torch.zeros_like(residuals)
        centers, sizes = boxes[..., :3], boxes[..., 3:6]
        return DetectionTargets(
            valid=valid,
            labels=labels,
            centers=centers,
            centers_normalized=(centers - low) / extent * valid[..., None],
            sizes=sizes,
            sizes_normalized=sizes / extent,
            angles=angles,
            angle_classes=classes,
            angle_residuals=residuals,
        )

    def _check_boxes(self, boxes: Tensor) -> None:
        require(
            torch.isfinite(boxes)
            & (boxes[..., 3:6] >= 0).all(-1, keepdim=True),
            'true boxes must be finite with sizes >= 0; correct the '
            'annotations',
        )
        if self.num_angle_bins == 1:
            require(
                boxes[..., 6].abs() <= 1e-4,
                'true boxes are turned, the box coder has num_angle_bins=1, '
                'for boxes that are not; set num_angle_bins (SUN RGB-D: 12) '
                'of the head and the box coder',
            )


def _scene(scene_range: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return low corner and extent of the scenes, (B, 1, 3) each."""
    low, high = (bound.float()[:, None] for bound in scene_range)
    return low, (high - low).clamp(min=MIN_EXTENT)
