"""The heads that give every point a class, or a part."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.heads import PartSegHead, SemanticSegHead
from tests.test_models import toys

SIZES = dict(in_channels=64, propagation_channels=(24, 16), channels=(16, 8))
CLASSES = 5


def head(**changes: object) -> SemanticSegHead:
    torch.manual_seed(0)
    return SemanticSegHead(CLASSES, **{**SIZES, **changes})


def backbone(**changes: object) -> PointTransformer:
    options = dict(
        with_cls_token=False, out_indices=(0, 1), norm_hidden_states=True
    )
    return toys.student(**{**options, **changes}).eval()


def targets(seed: int = 3) -> torch.Tensor:
    generator = toys.seeded(seed)
    return torch.randint(CLASSES, (2, toys.NUM_POINTS), generator=generator)


def test_backbones_of_mmdet3d_have_no_hidden_states() -> None:
    feats = backbone(out_indices=())(toys.points())
    assert feats['hidden_states'] == []
    one = head(in_channels=32).eval()
    expected = one(feats)
    named = {key: feats[key] for key in ('sa_xyz', 'fp_xyz', 'fp_features')}
    assert torch.equal(one(named), expected)


def test_loss_is_the_weighted_mean_and_ignores() -> None:
    weight = [1.0, 2.0, 0.5, 3.0, 0.0]
    one = toys.randomize(head(class_weight=weight)).eval()
    feats = backbone()(toys.points())
    target = targets()
    target[0, :7] = 255
    logits = one(feats)
    losses = one.loss(feats, toys.labelled(target), {})
    counted = target != 255
    expected = F.cross_entropy(
        logits.transpose(1, 2)[counted],
        target[counted],
        torch.tensor(weight),
    )
    toys.assert_close(losses['loss_sem_seg'], expected)
    right = (logits.argmax(1) == target)[counted].float().mean()
    toys.assert_close(losses['accuracy'], right)


def test_without_labelled_points_the_loss_is_zero() -> None:
    ignored = torch.full((2, toys.NUM_POINTS), 255)
    one = head()
    losses = one.loss(backbone()(toys.points()), toys.labelled(ignored))
    losses['loss_sem_seg'].backward()
    assert losses['loss_sem_seg'] == 0
    assert losses['accuracy'] == 0
    assert not any(p.grad.any() for p in one.parameters())


def test_weights_are_not_in_the_state() -> None:
    with_weights = head(class_weight=[1.0] * CLASSES)
    assert set(with_weights.state_dict()) == set(head().state_dict())
    one = head()
    one.set_class_weight(range(CLASSES))
    assert one.class_weight.tolist() == [0, 1, 2, 3, 4]


def test_computed_in_float32_under_autocast() -> None:
    one = toys.randomize(head()).eval()
    feats, target = backbone()(toys.points()), targets()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = one(feats)
        losses = one.loss_by_feat(logits, toys.labelled(target))
    assert logits.dtype == torch.bfloat16
    assert losses['loss_sem_seg'].dtype == torch.float32
    expected = F.cross_entropy(logits.float(), target)
    toys.assert_close(losses['loss_sem_seg'], expected)
    toys.assert_close(logits.float(), one(feats), 0.1)


def test_categories_of_any_shape_with_an_entry_an_object() -> None:
    torch.manual_seed(0)
    one = PartSegHead(6, 3, category_channels=4, **SIZES).eval()
    feats = backbone()(toys.points())
    flat, column = torch.tensor([2, 0]), torch.tensor([[2], [0]])
    assert torch.equal(
        one({**feats, 'shape_label': column}),
        one({**feats, 'shape_label': flat}),
    )
