"""The detector: modes, odd scenes, and where its parameters come from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmdet3d_act.models.detectors.three_detr import stack_scenes
from mmdet3d_act.registry import HAS_MMDET3D
from tests.test_models.test_detectors import scenes

pytestmark = pytest.mark.skipif(
    not HAS_MMDET3D, reason='MMDetection3D is not installed'
)
ENCODERS = [scenes.student, scenes.encoder, scenes.masked_encoder]
BOX = (0.0, 0, 0, 1, 1, 1)


def total(losses: dict[str, Tensor]) -> Tensor:
    return sum(value for key, value in losses.items() if 'loss' in key)


@pytest.mark.parametrize('backbone', ENCODERS)
def test_modes(backbone: type[nn.Module]) -> None:
    model = scenes.detector(backbone())
    inputs = {'points': scenes.points()}
    samples = [scenes.scene(BOX), scenes.scene(BOX, BOX)]
    raw = model(inputs)
    assert raw['center_offset'].shape == (2, 2, 5, 3)
    assert torch.isfinite(total(model(inputs, samples, mode='loss')))
    found = model.eval()(inputs, samples, mode='predict')
    assert found is samples
    for sample in found:
        boxes = sample.pred_instances_3d.bboxes_3d
        assert type(boxes).__name__ == 'DepthInstance3DBoxes'
        assert len(boxes) == len(sample.pred_instances_3d.scores_3d)
        assert sample.pred_instances_3d.labels_3d.dtype == torch.int64
    with pytest.raises(ValueError, match="'tensor', 'loss' or 'predict'"):
        model(inputs, mode='train')


@pytest.mark.parametrize('backbone', ENCODERS)
@pytest.mark.parametrize('number', [0, 1, 3])
def test_fewer_points_than_patches(
    backbone: type[nn.Module], number: int
) -> None:
    model = scenes.detector(backbone())
    inputs = {'points': [scenes.points(1, number)[0], scenes.points(1)[0]]}
    samples = [scenes.scene(), scenes.scene(BOX)]
    loss = total(model.train()(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    for parameter in model.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()
    for sample in model.eval()(inputs, samples, mode='predict'):
        assert torch.isfinite(sample.pred_instances_3d.scores_3d).all()
        assert torch.isfinite(sample.pred_instances_3d.bboxes_3d.tensor).all()


def test_stack_scenes() -> None:
    long, short = torch.rand(5, 4), torch.rand(2, 4)
    stacked = stack_scenes([long, short])
    assert torch.equal(stacked[0], long)
    assert torch.equal(stacked[1], short[[0, 1, 0, 1, 0]])
    assert stack_scenes([long, short], 7).shape == (2, 7, 4)
    assert not stack_scenes([long[:0]], 3).any()
    whole = torch.rand(2, 5, 3)
    assert stack_scenes(whole, 5) is whole
    assert torch.equal(stack_scenes(whole, 6)[:, 5], whole[:, 0])
