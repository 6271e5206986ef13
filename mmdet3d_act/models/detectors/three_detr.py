"""Detection of objects in scenes.

Letters: B scenes, N points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmdet3d_act.models.point_model import PointModel
from mmdet3d_act.registry import MODELS, build_module


@MODELS.register_module()
class ThreeDETR(PointModel):
    """A backbone of point patches and 3DETR's head.

    Not DETR3D, which detects in camera images. The backbone may be
    :class:`~mmdet3d_act.models.backbones.ThreeDETREncoder` or a pretrained
    :class:`~mmdet3d_act.models.backbones.PointTransformer`.

    Source: Misra et al., An End-to-End Transformer Model for 3D Object
    Detection, ICCV 2021.

    Example:
        >>> model = ThreeDETR(
        ...     dict(type='ThreeDETREncoder'),
        ...     dict(type='ThreeDETRHead', in_channels=256),
        ... )

    Args:
        backbone: Config or module; returns the dict that MMDetection3D's
            heads read.
        bbox_head: Config or module; from that dict to boxes.
        neck: Config or module between them; from dict to dict.
        train_cfg: Not used; MMDetection3D's `init_model` sets it.
        test_cfg: Not used, likewise.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        bbox_head: dict | nn.Module,
        *,
        neck: dict | nn.Module | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = build_module(backbone)
        self.neck = build_module(neck)
        self.bbox_head = build_module(bbox_head)

    def _forward(self, inputs: dict) -> dict:
        """Compute the raw predictions.

        See :meth:`~mmdet3d_act.models.heads.ThreeDETRHead.forward`.
        """
        return self.bbox_head(self.extract_feat(inputs))

    def extract_feat(self, inputs: dict) -> dict:
        """Encode the scene for the head.

        Args:
            inputs: ``points`` (B, N, 3+F), or a list of (N, 3+F). Scenes with
                fewer points than the backbone has patches, or a patch points,
                repeat their own.
        """
        least = max(
            getattr(self.backbone, 'num_groups', 1),
            getattr(self.backbone, 'group_size', 1),
        )
        feats = self.backbone(stack_scenes(inputs['points'], least))
        return feats if self.neck is None else self.neck(feats)

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the losses of every decoder layer.

        Args:
            inputs: See :meth:`forward`.
            data_samples: Each with ``gt_instances_3d``: ``bboxes_3d`` and
                ``labels_3d``.
        """
        return self.bbox_head.loss(self.extract_feat(inputs), data_samples)

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Return the data samples with ``pred_instances_3d``.

        Args:
            inputs: See :meth:`forward`.
            data_samples: One a scene.

        Returns:
            The samples; ``pred_instances_3d`` has ``bboxes_3d``,
            ``scores_3d`` and ``labels_3d``.
        """
        feats = self.extract_feat(inputs)
        detections = self.bbox_head.predict(feats, inputs['points'])
        for sample, found in zip(data_samples, detections, strict=True):
            sample.pred_instances_3d = found
        return data_samples


def stack_scenes(points: Tensor | Sequence[Tensor], least: int = 1) -> Tensor:
    """Return scenes as one tensor, (B, N, C); short ones are repeated.

    A scene without any point becomes a single one at the origin.

    Args:
        points: (B, N, C), or a list of (N, C) of different N.
        least: Fewest points N of the result.
    """
    if isinstance(points, Tensor) and points.shape[1] >= least:
        return points
    most = max([least, *(len(scene) for scene in points)])
    return torch.stack([_repeat(scene, most) for scene in points])


def _repeat(scene: Tensor, num_points: int) -> Tensor:
    """Return a scene with its points repeated in turn, (num_points, C)."""
    if not len(scene):
        return scene.new_zeros(num_points, scene.shape[-1])
    rows = torch.arange(num_points, device=scene.device) % len(scene)
    return scene[rows]
