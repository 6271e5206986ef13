"""The segmentor: wiring, predictions, windows, MMDetection3D's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mmdet3d_act
from mmdet3d_act.models.segmentors import PointSegmentor
from mmdet3d_act.registry import HAS_MMDET3D, build_module
from tests.test_models import toys
from tests.test_models.test_segmentors import networks

mmdet3d_act.compat.allow_mmengine_checkpoints()

LABELS = torch.tensor([2, 0])


def masks(classes: int = 5, num_points: int = toys.NUM_POINTS) -> torch.Tensor:
    shape = (2, num_points)
    return torch.randint(classes, shape, generator=toys.seeded(3))


class Scale(nn.Module):
    """A neck that changes the features."""

    def forward(self, feats: dict) -> dict:
        halves = [state / 2 for state in feats['hidden_states']]
        return {**feats, 'hidden_states': halves}


def test_a_neck_stands_between() -> None:
    model = networks.semantic().eval()
    own = PointSegmentor(model.backbone, model.decode_head, neck=Scale())
    inputs = dict(points=toys.points())
    feats = Scale()(model.backbone(inputs['points']))
    assert torch.equal(own.eval()(inputs), model.decode_head(feats))


def room(num_points: int = 300) -> torch.Tensor:
    generator = toys.seeded(0)
    return torch.rand(1, num_points, 3, generator=generator) * 1.8


SLIDE = dict(mode='slide', num_points=40, fusion='logits')


def test_a_room_is_segmented_in_windows() -> None:
    model = networks.semantic(test_cfg=SLIDE).eval()
    cloud = room()
    seen = []
    model.backbone.register_forward_hook(
        lambda module, args, out: seen.append(args[0])
    )
    (sample,) = model(dict(points=cloud), toys.samples(1), mode='predict')
    logits = sample.pts_seg_logits.pts_seg_logits
    assert logits.shape == (5, 300)
    assert {one.shape[1] for one in seen} == {40}
    assert torch.cat(seen)[..., :2].abs().max() <= 0.501
    assert not torch.allclose(logits, model(dict(points=cloud))[0])
    again = model(dict(points=cloud), toys.samples(1), mode='predict')
    assert torch.equal(again[0].pts_seg_logits.pts_seg_logits, logits)


def test_blocks_are_taken_at_once_in_either_mode() -> None:
    blocks = dict(points=toys.points() * 0.49)
    found = [
        networks.semantic(test_cfg=cfg)
        .eval()
        .predict(blocks, toys.samples())[1]
        .pts_seg_logits.pts_seg_logits
        for cfg in (SLIDE, None, dict(mode='whole'))
    ]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_other_inputs_go_with_every_window() -> None:
    model = networks.part(test_cfg=SLIDE).eval()
    labels = []
    model.decode_head.register_forward_pre_hook(
        lambda module, args: labels.extend(args[0]['shape_label'].tolist())
    )
    both = torch.cat([room(), room() / 2])
    inputs = dict(points=both, shape_label=LABELS)
    model(inputs, toys.samples(), mode='predict')
    assert labels == sorted(labels, reverse=True)
    assert set(labels) == {0, 2}


@pytest.mark.skipif(not HAS_MMDET3D, reason='MMDetection3D is not installed')
def test_the_head_works_in_mmdet3ds_segmentor() -> None:
    config = dict(
        type='EncoderDecoder3D',
        backbone=networks.BACKBONE,
        decode_head=networks.SEMANTIC['decode_head'],
        test_cfg=dict(mode='whole'),
    )
    theirs = toys.randomize(build_module(config)).eval()
    ours = networks.semantic().eval()
    theirs.load_state_dict(ours.state_dict())
    points = toys.points()
    samples = toys.labelled(masks())
    losses = theirs.loss(dict(points=list(points)), samples)
    assert losses == ours.loss(dict(points=points), samples)
    assert set(losses) == {'decode.loss_sem_seg', 'decode.accuracy'}
    found = theirs.encode_decode(points, [{}, {}])
    assert torch.equal(found, ours(dict(points=points)))
