"""The head that gives every point a part, knowing the category."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.heads import PartSegHead, SemanticSegHead
from mmdet3d_act.registry import MODELS
from tests.test_models import toys
from tests.test_models.test_heads.test_semantic_seg_head import (
    SIZES,
    backbone,
    targets,
)


def head() -> PartSegHead:
    torch.manual_seed(0)
    return PartSegHead(6, 3, category_channels=4, dropout_ratio=0.0, **SIZES)


def features(*labels: int) -> dict:
    feats = backbone()(toys.points(len(labels)))
    return {**feats, 'shape_label': torch.tensor(labels)}


def test_builds_from_its_config() -> None:
    built = MODELS.build(dict(type='PartSegHead'))
    # The published sizes: 50 parts, 16 categories.
    assert built.fc1.weight.shape == (512, 3392)
    assert built.category_fc.weight.shape == (64, 16)
    assert built.category_fc.bias is None
    assert built.fc3.weight.shape == (50, 256)


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


def test_gradient_reaches_everything() -> None:
    one = toys.randomize(head()).eval()
    losses = one.loss(features(2, 0), toys.labelled(targets()))
    losses['loss_sem_seg'].backward()
    assert toys.without_gradient(one) == []
    # Only the columns of the categories of the batch.
    grad = one.category_fc.weight.grad
    assert grad[:, [0, 2]].any(0).all()
    assert not grad[:, 1].any()


def test_labels_of_any_shape_with_an_entry_an_object() -> None:
    one = head().eval()
    feats = features(2, 0)
    column = feats['shape_label'].view(2, 1)
    assert torch.equal(one({**feats, 'shape_label': column}), one(feats))


def test_errors() -> None:
    feats = features(2, 0)
    missing = {key: feats[key] for key in feats if key != 'shape_label'}
    with pytest.raises(ValueError, match='the category of each object'):
        head()(missing)
    with pytest.raises(ValueError, match='each of 2 objects, got 1'):
        head()({**feats, 'shape_label': torch.tensor([1])})
    with pytest.raises(ValueError, match=r'must be 0 to 2, got \[2, 3\]'):
        head()({**feats, 'shape_label': torch.tensor([2, 3])})
    with pytest.raises(ValueError, match='drop_last=True'):
        head().train()(features(1))
    assert head().eval()(features(1)).shape == (1, 6, toys.NUM_POINTS)
