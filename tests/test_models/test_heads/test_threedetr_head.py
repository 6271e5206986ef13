"""3DETR's head: shapes, positions, losses and detections."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.heads import ThreeDETRHead
from mmdet3d_act.models.heads.threedetr_head import scene_extent
from mmdet3d_act.models.losses import DetectionSetLoss
from mmdet3d_act.registry import HAS_MMDET3D
from tests.test_models import toys
from tests.test_models.test_detectors import scenes

needs_boxes = pytest.mark.skipif(
    not HAS_MMDET3D, reason='MMDetection3D is not installed'
)


def head_of(**changes: object) -> ThreeDETRHead:
    torch.manual_seed(0)
    return toys.randomize(ThreeDETRHead(**{**scenes.HEAD, **changes}))


def feats_of(num_groups: int = 9) -> dict:
    points = scenes.points()
    return {
        'sa_xyz': [points],
        'centers': points[:, :num_groups],
        'features': torch.randn(2, toys.DIMS, num_groups),
    }


def test_queries_are_the_farthest_centers() -> None:
    feats = feats_of()
    head = head_of().eval()
    outputs = head(feats)
    center_rows = [
        (feats['centers'][0] == query).all(-1).nonzero().item()
        for query in outputs['query_xyz'][0]
    ]
    assert center_rows[0] == 0
    assert len(set(center_rows)) == 5
    farthest = (feats['centers'][0] - feats['centers'][0, 0]).norm(dim=-1)
    assert center_rows[1] == farthest.argmax()


def test_queries_begin_as_their_patches() -> None:
    """Without a decoder's layers at work, only they tell queries apart."""
    feats = feats_of()
    plain, head = head_of().eval(), head_of(query_features=True).eval()
    assert plain.state_dict().keys() == head.state_dict().keys()
    rows, _, _ = head.get_queries(
        feats['centers'], scene_extent(feats['sa_xyz'][0])
    )
    changed = dict(feats, features=feats['features'].clone())
    changed['features'][0, :, rows[0, 3]] += 1.0
    # Silences what the queries read of each other and of the scene.
    for one in (plain, head):
        for layer in one.decoder.layers:
            for part in (layer.self_attn, layer.cross_attn):
                torch.nn.init.zeros_(part.proj.weight)
    differs = [
        (one(feats)['cls_logits'] != one(changed)['cls_logits'])
        .any(-1)[0, 0]
        .tolist()
        for one in (plain, head)
    ]
    assert differs == [[False] * 5, [False, False, False, True, False]]


def test_batch_norm_mixes_decoder_layers() -> None:
    """The last layer alone would be normalised otherwise."""
    head = head_of().train()
    x = torch.randn(2, 2, 5, 16)
    together = head.cls_mlp(x)[-1]
    assert not torch.allclose(together, head.cls_mlp(x[-1:])[0], atol=1e-4)
    head.eval()
    torch.testing.assert_close(head.cls_mlp(x)[-1], head.cls_mlp(x[-1:])[0])


@needs_boxes
def test_loss_of_every_layer() -> None:
    head = head_of()
    samples = [scenes.scene((0, 0, 0, 1, 1, 1), labels=(2,)), scenes.scene()]
    losses = head.loss(feats_of(), samples)
    names = {'loss_cls', 'loss_giou', 'loss_center', 'loss_size'}
    assert names | {f'd0.{name}' for name in names} <= set(losses)
    assert not any('loss' in key for key in losses if 'card' in key)
    total = sum(v for key, v in losses.items() if 'loss' in key)
    total.backward()
    # The heading has no loss here, and a gradient of 0 nevertheless.
    assert all(p.grad is not None for p in head.parameters())
    assert not head.angle_cls_mlp.fc1.weight.grad.any()
    assert torch.isfinite(total)


@needs_boxes
@pytest.mark.parametrize('label', [7, 4, -1])
def test_labels_that_are_no_class(label: int) -> None:
    sample = scenes.scene((0, 0, 0, 1, 1, 1), labels=(label,))
    wrong = rf'must be 0 to 3, got \[{label}\]; num_classes of the head'
    with pytest.raises(ValueError, match=wrong):
        head_of().loss(feats_of(), [sample, scenes.scene()])


@needs_boxes
@pytest.mark.parametrize('terms', [('cls',), ('size', 'giou')])
def test_terms_of_weight_0(terms: tuple[str, ...]) -> None:
    """No loss, and a gradient of 0, which distributed training needs."""
    weights = {f'{term}_weight': 0 for term in terms}
    loss = DetectionSetLoss(scenes.NUM_CLASSES, **weights)
    head = head_of(loss=loss)
    samples = [scenes.scene((0, 0, 0, 1, 1, 1), labels=(2,)), scenes.scene()]
    losses = head.loss(feats_of(), samples)
    left = {name.partition('loss_')[2] for name in losses}
    assert not left & set(terms)
    assert {'loss_center', 'd0.loss_center'} <= set(losses)
    sum(v for key, v in losses.items() if 'loss' in key).backward()
    assert all(p.grad is not None for p in head.parameters())
    assert not getattr(head, f'{terms[0]}_mlp').fc3.weight.grad.any()
    assert head.center_mlp.fc3.weight.grad.any()


@needs_boxes
def test_predict_takes_the_last_layer() -> None:
    head = head_of().eval()
    feats = feats_of()
    outputs = head(feats)
    found = head.predict(feats)
    assert len(found) == 2
    for name in ('cls_logits', 'center_offset', 'size_logits'):
        outputs[name] = outputs[name].clone()
        outputs[name][0] = 9.0
    same = head.predict_by_feat(outputs, feats['sa_xyz'][0])
    for one, other in zip(found, same, strict=True):
        assert torch.equal(one.scores_3d, other.scores_3d)
        assert torch.equal(one.bboxes_3d.tensor, other.bboxes_3d.tensor)


def test_wrong_input_is_named() -> None:
    feats = feats_of(4)
    with pytest.raises(ValueError, match=r'5 queries .* got 4 patches'):
        head_of()(feats)
    feats = feats_of()
    feats['features'] = feats['features'][:, :7]
    with pytest.raises(ValueError, match=r'in_channels=32 channels, got 7'):
        head_of()(feats)
