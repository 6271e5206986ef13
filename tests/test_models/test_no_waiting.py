"""No training step waits for a value of a GPU, and each is one graph.

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
from tests.test_models.test_every_kind import (
    BOX_HEAD,
    CLASSIFIER,
    DECODER,
    ENCODER,
    POINT_MAE,
)
from tests.test_models.test_segmentors import networks

TEACHER = dict(
    type='TimmTeacher',
    model_name='vit_tiny_patch16_224',
    pretrained=False,
    num_layers=2,
    num_prompts=2,
)
STAGE_1 = {**toys.VAE, 'kl_weight': 0.1}
LANGUAGE = dict(
    type='LanguageTeacher',
    config=dict(
        model_type='bert',
        vocab_size=8,
        hidden_size=toys.DIMS,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=toys.DIMS,
    ),
    pretrained=False,
    num_prompts=2,
)


def distilled(kind: str, head: dict) -> dict:
    """Configure stage II on an autoencoder that counts as loaded."""
    vae = MODELS.build({**STAGE_1, 'teacher': TEACHER})
    act = dict(
        target_generator=dict(type=kind, autoencoder=vae),
        neck=DECODER,
        head=dict(embed_dims=toys.DIMS, **head),
    )
    return {**POINT_MAE, 'objectives': dict(act=act)}


CONCEPT = dict(
    type='Distiller',
    student={
        **toys.STUDENT,
        'with_cls_token': False,
        'position': 'after',
        'out_indices': (0, 1),
        'norm_hidden_states': True,
    },
    objectives=dict(
        concept=dict(
            target_generator=dict(type='VectorTarget', num_channels=6),
            neck=dict(
                type='ConceptExtractor',
                embed_dims=toys.DIMS,
                num_concepts=3,
                num_layers=2,
                num_heads=4,
            ),
            head=dict(
                type='AlignmentHead', embed_dims=toys.DIMS, num_tokens=3
            ),
        )
    ),
)
FAMILIES = {
    'stage I without teacher': STAGE_1,
    'stage I': {**STAGE_1, 'teacher': TEACHER},
    'stage I with a language model': {**STAGE_1, 'teacher': LANGUAGE},
    'stage II': lambda: distilled(
        'AutoencoderTarget',
        dict(type='FeatureHead', target_channels=toys.DIMS),
    ),
    'codes': lambda: distilled(
        'AutoencoderCodes', dict(type='CodeHead', num_codes=toys.NUM_CODES)
    ),
    'concept distillation': CONCEPT,
    'Point-MAE': POINT_MAE,
    'classifier': CLASSIFIER,
    'part segmentor': networks.PART,
    'semantic segmentor': networks.SEMANTIC,
    # To the matching, which is on the CPU.
    '3DETR': dict(type='ThreeDETR', backbone=ENCODER, bbox_head=BOX_HEAD),
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


def build(name: str) -> nn.Module:
    family = FAMILIES[name]
    return MODELS.build(family() if callable(family) else family).train()


def batch() -> tuple[dict, list[BaseDataElement]]:
    labels = torch.zeros(2, dtype=torch.int64)
    masks = torch.zeros(2, toys.NUM_POINTS, dtype=torch.int64)
    inputs = dict(
        points=torch.rand(2, toys.NUM_POINTS, 3),
        shape_label=labels,
        vectors=torch.rand(2, 6),
    )
    return inputs, samples(labels, masks)


def total(losses: dict) -> Tensor:
    if 'cls_logits' in losses:  # 3DETR's output.
        return losses['cls_logits'].sum()
    return sum(x for key, x in losses.items() if 'loss' in key)


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('device', ['cuda', 'cpu'])
def test_step(name: str, amp: bool, device: str) -> None:
    model = build(name)
    with FakeTensorMode(), torch.device(device):
        imagine(model)
        mode = 'tensor' if name == '3DETR' else 'loss'
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            loss = total(model(*batch(), mode=mode))
        assert loss.device.type == device
        if device == 'cpu':
            loss.backward()
            trained = [p for p in model.parameters() if p.requires_grad]
            assert any(p.grad is not None for p in trained)


@pytest.mark.slow
@pytest.mark.parametrize('name', FAMILIES)
def test_step_is_one_graph(name: str) -> None:
    """It is traced, backward too, and gives what the plain step gives."""
    torch._dynamo.reset()
    model = build(name)
    inputs, data_samples = batch()
    mode = 'tensor' if name == '3DETR' else 'loss'
    results = []
    for backend in (None, 'aot_eager'):
        step = torch.compile(
            lambda x, y: total(model(x, y, mode=mode)),
            fullgraph=True,
            backend=backend or 'eager',
            disable=backend is None,
        )
        torch.manual_seed(0)
        model.zero_grad()
        loss = step(inputs, data_samples)
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([loss.detach(), *grads])
    # On a CPU some sums of the plain step are taken in another order.
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)
