from __future__ import annotations

import open_clip
import pytest
import torch
from torch import nn

from mmdet3d_act.models.teachers import OpenCLIPImageEncoder, OpenCLIPTeacher
from mmdet3d_act.models.teachers import open_clip_teacher as module

TINY = {'width': 32, 'layers': 3, 'head_width': 16, 'image_size': 32}
NAME = 'ViT-B-16'


def whole_model(seed: int = 0, **vision) -> nn.Module:
    torch.manual_seed(seed)
    model = open_clip.CLIP(
        embed_dim=8,
        vision_cfg={**TINY, **vision},
        text_cfg={'width': 32, 'layers': 3, 'heads': 2},
    )
    for value in model.parameters():
        nn.init.normal_(value, std=0.3)
    return model.eval()


def teacher(weights=None, **kwargs) -> OpenCLIPTeacher:
    settings = {
        'in_channels': 6,
        'out_channels': 6,
        'num_prompts': 2,
        'model_args': TINY,
        **kwargs,
    }
    return OpenCLIPTeacher(
        settings.pop('model_name', NAME), weights, **settings
    ).eval()


def ready(weights=None, **kwargs) -> OpenCLIPTeacher:
    model = teacher(weights, **kwargs)
    model.init_weights()
    for value in model.prompts.parameters():
        nn.init.normal_(value)
    return model


def run(model: OpenCLIPTeacher, batch: int = 2) -> torch.Tensor:
    torch.manual_seed(0)
    tokens, centers = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    return model(tokens[:batch], centers[:batch])


@pytest.fixture
def said(monkeypatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(module, 'warn', texts.append)
    return texts


def test_activation_changes_the_output(said: list[str]) -> None:
    state = whole_model().state_dict()
    outputs = []
    for settings in (
        {'model_name': f'{NAME}-quickgelu'},
        {'pretrained_tag': 'openai'},
        {'pretrained_tag': 'laion2b_s34b_b88k'},
        {},
    ):
        torch.manual_seed(5)
        outputs.append(run(ready(state, **settings)))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[2], outputs[3])
    assert (outputs[0] - outputs[2]).abs().max() > 1e-4
    warnings = [text for text in said if 'quick-GELU' in text]
    assert len(warnings) == 1
    assert f'{NAME}-quickgelu' in warnings[0]


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ({'model_name': 'RN50'}, 'RN50 cannot be'),
        ({'model_name': 'ViT-B-17'}, "'ViT-B-17'; alike are ViT-B-1"),
        ({'model_name': NAME, 'pretrained_tag': 'mine'}, "'mine'"),
    ],
)
def test_refusals(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OpenCLIPTeacher.describe(**settings)


@pytest.mark.parametrize('name', ['ViT-B/16', 'CLIP:ViT-B/16'])
def test_names_of_openai(name: str) -> None:
    assert OpenCLIPTeacher.describe(name)[:2] == (768, 12)
    source = OpenCLIPTeacher.weight_source(name, 'openai')
    assert source.names == ('ViT-B-16.openai', 'ViT-B-16')
    assert source.hub_id == 'timm/vit_base_patch16_clip_224.openai'
    assert source.files == module.HUB_FILES
    (problem,) = OpenCLIPTeacher.check_requirements({'model_name': name})
    assert 'pretrained_tag' in problem
    laion = OpenCLIPTeacher.weight_source('ViT-g-14', 'laion2b_s34b_b88k')
    assert laion.hub_id.startswith('laion/')


def test_norms_that_towers_lack() -> None:
    with torch.device('meta'):
        clipa = OpenCLIPTeacher.build_encoder('ViT-H-14-CLIPA', num_layers=1)
        coca = OpenCLIPTeacher.build_encoder('coca_ViT-B-32', num_layers=1)
    assert clipa.pre_norm is None
    assert clipa.norm.normalized_shape == (1280,)
    # Its norm is that of an attention pool of another width.
    assert coca.norm is None
    assert coca.embed_dims == 768


IMAGE = dict(width=32, layers=2, head_width=16, image_size=32, patch_size=8)


def tower() -> nn.Module:
    torch.manual_seed(1)
    text = {'width': 32, 'layers': 1, 'heads': 2, 'vocab_size': 8}
    return open_clip.CLIP(512, IMAGE, text, quick_gelu=True).visual


def encoder_of(checkpoint=None, **settings) -> OpenCLIPImageEncoder:
    settings = {'model_args': IMAGE, **settings}
    encoder = OpenCLIPImageEncoder(checkpoint=checkpoint, **settings)
    encoder.init_weights()
    return encoder


def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)


@pytest.mark.parametrize('prefix', ['', 'visual.'])
def test_whole_tower_equals_the_librarys(prefix: str) -> None:
    network = tower().eval()
    state = {prefix + k: v for k, v in network.state_dict().items()}
    if prefix:
        state['token_embedding.weight'] = torch.zeros(2)
        state['positional_embedding'] = torch.zeros(2)
    encoder = encoder_of(state)
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    network.output_tokens = True
    with torch.no_grad():
        vector, tokens = network((images().float() / 255 - mean) / std)
    torch.testing.assert_close(encoder(images()), vector)
    torch.testing.assert_close(encoder.forward_patches(images()), tokens)
    assert encoder.embed_dims == 512
    assert (encoder.patch_dims, encoder.grid) == (32, (4, 4))


def test_statistics_of_the_weights() -> None:
    with torch.device('meta'):
        siglip = OpenCLIPImageEncoder('ViT-B-16-SigLIP', pretrained=False)
        resnet = OpenCLIPImageEncoder('RN50x4-quickgelu', pretrained=False)
    assert siglip.mean == siglip.std == (0.5, 0.5, 0.5)
    assert siglip.embed_dims == 768
    assert resnet.mean == open_clip.OPENAI_DATASET_MEAN
    assert (resnet.embed_dims, resnet.image_size) == (640, 288)
    assert (resnet.patch_dims, resnet.grid) == (2560, (9, 9))
