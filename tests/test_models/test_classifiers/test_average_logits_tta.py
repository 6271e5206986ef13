"""Averaging over the views of a cloud."""

from __future__ import annotations

import torch
from mmengine.structures import BaseDataElement

from mmdet3d_act.models.classifiers import AverageLogitsTTA, PointClassifier
from tests.test_models import toys

HEAD = dict(type='ClassificationHead', in_channels=64, num_classes=3)


def test_logits_are_averaged_not_shares() -> None:
    """One confident view outweighs two that lean the other way."""
    rows = [[4.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    views = [BaseDataElement(pred_logits=torch.tensor(row)) for row in rows]
    views[0].gt_label = torch.tensor([1])
    model = AverageLogitsTTA(PointClassifier(toys.STUDENT, HEAD))
    (merged,) = model.merge_preds([views])
    assert torch.allclose(merged.pred_logits, torch.tensor([4 / 3, 2 / 3]))
    assert merged.pred_label.tolist() == [0]
    assert merged.gt_label.tolist() == [1]
    votes = [row.index(max(row)) for row in rows]
    assert max(set(votes), key=votes.count) == 1
