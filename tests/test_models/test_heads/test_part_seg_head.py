"""The head that gives every point a part, knowing the category."""

from __future__ import annotations

import torch

from mmdet3d_act.models.heads import PartSegHead
from tests.test_models import toys
from tests.test_models.test_heads.test_semantic_seg_head import (
    SIZES,
    backbone,
)


def head() -> PartSegHead:
    torch.manual_seed(0)
    return PartSegHead(6, 3, category_channels=4, dropout_ratio=0.0, **SIZES)


def features(*labels: int) -> dict:
    feats = backbone()(toys.points(len(labels)))
    return {**feats, 'shape_label': torch.tensor(labels)}


def test_labels_of_any_shape_with_an_entry_an_object() -> None:
    one = head().eval()
    feats = features(2, 0)
    column = feats['shape_label'].view(2, 1)
    assert torch.equal(one({**feats, 'shape_label': column}), one(feats))
