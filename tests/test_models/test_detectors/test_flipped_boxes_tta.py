"""Detection in several views of a scene."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.detectors import FlippedBoxesTTA
from mmdet3d_act.registry import depth_boxes, gravity_boxes
from tests.test_models.test_detectors import scenes

pytest.importorskip('mmdet3d')


def test_boxes_of_flipped_views_are_flipped_back() -> None:
    """The same box is found in both views, another one in the second."""
    from mmdet3d.structures import Det3DDataSample
    from mmengine.structures import InstanceData

    def view(boxes: list, scores: list, **meta: object) -> Det3DDataSample:
        sample = Det3DDataSample(metainfo=meta)
        sample.pred_instances_3d = InstanceData(
            bboxes_3d=depth_boxes(torch.tensor(boxes), turned=True),
            scores_3d=torch.tensor(scores),
            labels_3d=torch.zeros(len(scores), dtype=torch.int64),
        )
        return sample

    box, flipped = [1.0, 2, 1, 1, 2, 1, 0.3], [-1.0, 2, 1, 1, 2, 1, -0.3]
    other, mirrored = [4.0, 2, 1, 1, 1, 1, 0], [-4.0, 2, 1, 1, 1, 1, 0]
    views = [
        view([box], [0.5]),
        view([flipped, mirrored], [0.7, 0.2], pcd_horizontal_flip=True),
    ]
    model = FlippedBoxesTTA(scenes.detector(scenes.student()))
    (merged,) = model.merge_preds([views])
    found = merged.pred_instances_3d
    torch.testing.assert_close(found.scores_3d, torch.tensor([0.7, 0.2]))
    boxes = gravity_boxes(found.bboxes_3d)
    torch.testing.assert_close(boxes[:, :6], torch.tensor([box, other])[:, :6])
    # Half a turn more is the same box.
    angles = torch.sin(2 * boxes[:, 6])
    torch.testing.assert_close(angles, torch.tensor([0.6, 0.0]).sin())
