"""Averaging over the views of a cloud, point by point."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.segmentors import AverageSegLogitsTTA
from mmdet3d_act.registry import point_data
from tests.test_models import toys
from tests.test_models.test_segmentors import networks


def views(*logits: list) -> list:
    """Return the views of one cloud, by their logits (C, N)."""
    masks = torch.tensor([[1, 0]] * len(logits))
    found = toys.labelled(masks)
    for sample, own in zip(found, logits, strict=True):
        sample.pts_seg_logits = point_data(pts_seg_logits=torch.tensor(own))
    return found


def test_logits_are_averaged_not_votes() -> None:
    """One confident view outweighs two that lean the other way."""
    sure, other = [[4.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]
    model = AverageSegLogitsTTA(networks.semantic())
    (merged,) = model.merge_preds([views(sure, other, other)])
    expected = torch.tensor([[4 / 3, 0.0], [2 / 3, 1.0]])
    assert torch.allclose(merged.pts_seg_logits.pts_seg_logits, expected)
    assert merged.pred_pts_seg.pts_semantic_mask.tolist() == [0, 1]
    assert merged.gt_pts_seg.pts_semantic_mask.tolist() == [1, 0]


def test_views_of_other_points_are_refused() -> None:
    both = views([[1.0, 0.0]], [[1.0, 0.0]])
    both[1].gt_pts_seg.pts_semantic_mask = torch.tensor([0, 1])
    model = AverageSegLogitsTTA(networks.semantic())
    with pytest.raises(ValueError, match='before TestTimeAug'):
        model.merge_preds([both])
