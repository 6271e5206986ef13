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


def test_wrong_input_is_named() -> None:
    feats = feats_of(4)
    with pytest.raises(ValueError, match=r'5 queries .* got 4 patches'):
        head_of()(feats)
    feats = feats_of()
    feats['features'] = feats['features'][:, :7]
    with pytest.raises(ValueError, match=r'in_channels=32 channels, got 7'):
        head_of()(feats)
