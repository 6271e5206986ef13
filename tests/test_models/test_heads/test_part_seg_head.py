"""The head that gives every point a part, knowing the category."""

from __future__ import annotations

import torch

from mmdet3d_act.models.heads import PartSegHead, SemanticSegHead
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


def test_the_category_joins_the_cloud() -> None:
    """As a layer of the one-hot category, after maximum and mean."""
    one = toys.randomize(head()).eval()
    feats = features(2, 0)
    plain = SemanticSegHead(6, **SIZES).eval()
    own = one.state_dict()
    known = plain.state_dict()
    first = own.pop('fc1.weight')
    known.update({k: v for k, v in own.items() if k in known})
    known['fc1.weight'] = first[:, :-4]
    one_hot = torch.eye(3)[feats['shape_label']]
    embedded = one.category_norm(one_hot @ one.category_fc.weight.t())
    embedded = torch.where(embedded > 0, embedded, 0.2 * embedded)
    logits = one(feats)
    for index in range(2):
        known['fc1.bias'] = one.fc1.bias + first[:, -4:] @ embedded[index]
        plain.load_state_dict(known)
        toys.assert_close(logits[index], plain(feats)[index], 1e-4)
    assert not torch.allclose(logits, one({**feats, **features(0, 2)}))


def test_labels_of_any_shape_with_an_entry_an_object() -> None:
    one = head().eval()
    feats = features(2, 0)
    column = feats['shape_label'].view(2, 1)
    assert torch.equal(one({**feats, 'shape_label': column}), one(feats))
