"""A detector that looks at several views of a scene.

Letters: D detections.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData

from mmdet3d_act.models.task_modules.detection_post_processing import suppress
from mmdet3d_act.registry import MODELS, gravity_boxes


@MODELS.register_module()
class FlippedBoxesTTA(BaseTTAModel):
    """Joins the boxes that are found in flipped views of a scene.

    The views come from MMCV's TestTimeAug with MMDetection3D's
    `RandomFlip3D`. Boxes are flipped back; of those of a class that overlap
    the one of the highest score stays.

    Args:
        module: The detector (config or module).
        overlap_threshold: IoU above which the lower score goes.
        data_preprocessor: Takes the place of the detector's own.

    Example:
        >>> tta_model = dict(type='FlippedBoxesTTA')
    """

    def __init__(
        self,
        module: Any,  # noqa: ANN401
        overlap_threshold: float = 0.25,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(module, data_preprocessor)
        self.overlap_threshold = overlap_threshold

    def merge_preds(self, data_samples_list: list) -> list:
        """Return one data sample a scene.

        Args:
            data_samples_list: For each scene its views' data samples, each
                with ``pred_instances_3d``.

        Returns:
            The first view's samples with the boxes of all views, in the
            coordinates of the scene before it was flipped.
        """
        merged = []
        for views in data_samples_list:
            found = InstanceData.cat([_flipped_back(view) for view in views])
            views[0].pred_instances_3d = found[self._kept(found)]
            merged.append(views[0])
        return merged

    def _kept(self, found: InstanceData) -> torch.Tensor:
        """Find which detections stay, int64 (D,)."""
        boxes = gravity_boxes(found.bboxes_3d)
        kept = []
        for label in found.labels_3d.unique():
            own = (found.labels_3d == label).nonzero()[:, 0]
            chosen = suppress(
                boxes[own], found.scores_3d[own], self.overlap_threshold
            )
            kept.append(own[chosen])
        return torch.cat(kept) if kept else found.labels_3d


def _flipped_back(view: Any) -> InstanceData:  # noqa: ANN401
    found = view.pred_instances_3d
    for direction in ('horizontal', 'vertical'):
        if view.metainfo.get(f'pcd_{direction}_flip'):
            found.bboxes_3d.flip(direction)
    return found
