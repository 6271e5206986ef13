"""No training step waits for a value of a GPU.

Parameters, buffers and data are imaginary CUDA tensors, which have no values:
whatever would wait for one (a number, a truth, a shape that depends on data)
raises, and so does a tensor that stayed on the CPU. The backward pass, which
wants a GPU even for imaginary tensors, runs on those of a CPU.
"""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mmdet3d_act.registry import MODELS
from tests.test_models import toys
from tests.test_models.test_every_kind import CLASSIFIER, POINT_MAE
from tests.test_models.test_segmentors import networks

TEACHER = dict(
    type='TimmTeacher',
    model_name='vit_tiny_patch16_224',
    pretrained=False,
    num_layers=2,
    num_prompts=2,
)
STAGE_1 = {**toys.VAE, 'kl_weight': 0.1}
FAMILIES = {
    'stage I without teacher': STAGE_1,
    'stage I': {**STAGE_1, 'teacher': TEACHER},
    'Point-MAE': POINT_MAE,
    'classifier': CLASSIFIER,
    'part segmentor': networks.PART,
    'semantic segmentor': networks.SEMANTIC,
}


def samples(labels: Tensor, masks: Tensor) -> list[BaseDataElement]:
    result = []
    for label, mask in zip(labels, masks, strict=True):
        sample = BaseDataElement(gt_label=label[None])
        sample.gt_pts_seg = BaseDataElement(pts_semantic_mask=mask)
        result.append(sample)
    return result


def imagine(model: nn.Module) -> nn.Module:
    """Put imaginary CUDA tensors in the place of a module's own."""
    for module in model.modules():
        for name, value in module._parameters.items():
            if value is not None:
                module._parameters[name] = nn.Parameter(
                    torch.empty(value.shape, dtype=value.dtype),
                    requires_grad=value.requires_grad,
                )
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = torch.empty(
                    value.shape, dtype=value.dtype
                )
    return model


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('device', ['cuda', 'cpu'])
def test_step(name: str, amp: bool, device: str) -> None:
    model = MODELS.build(FAMILIES[name]).train()
    with FakeTensorMode(), torch.device(device):
        imagine(model)
        labels = torch.zeros(2, dtype=torch.int64)
        masks = torch.zeros(2, toys.NUM_POINTS, dtype=torch.int64)
        inputs = dict(
            points=torch.rand(2, toys.NUM_POINTS, 3), shape_label=labels
        )
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            losses = model(inputs, samples(labels, masks), mode='loss')
            loss = sum(x for key, x in losses.items() if 'loss' in key)
        assert loss.device.type == device
        if device == 'cpu':
            loss.backward()
            trained = [p for p in model.parameters() if p.requires_grad]
            assert any(p.grad is not None for p in trained)
