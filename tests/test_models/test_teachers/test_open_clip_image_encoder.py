from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch

from mmdet3d_act.models.teachers import OpenCLIPImageEncoder, open_clip_files
from mmdet3d_act.models.teachers import (
    open_clip_image_encoder as module,
)
from mmdet3d_act.registry import MODELS

TINY = dict(width=32, layers=2, head_width=16, image_size=32, patch_size=8)


def tower(seed: int = 1, quick_gelu: bool = True) -> torch.nn.Module:
    torch.manual_seed(seed)
    return open_clip.model._build_vision_tower(512, dict(TINY), quick_gelu)


def encoder_of(checkpoint=None, **settings) -> OpenCLIPImageEncoder:
    settings = {'model_args': TINY, **settings}
    return OpenCLIPImageEncoder(checkpoint=checkpoint, **settings)


def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)


def prepared() -> torch.Tensor:
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    return (images().float() / 255 - mean) / std


def test_registered() -> None:
    assert MODELS.module_dict['OpenCLIPImageEncoder'] is OpenCLIPImageEncoder


@pytest.mark.parametrize('prefix', ['', 'visual.'])
def test_equals_the_librarys_tower(prefix: str) -> None:
    network = tower().eval()
    state = {prefix + k: v for k, v in network.state_dict().items()}
    if prefix:
        state['token_embedding.weight'] = torch.zeros(2)
        state['positional_embedding'] = torch.zeros(2)
    encoder = encoder_of(state)
    encoder.init_weights()
    network.output_tokens = True
    with torch.no_grad():
        vector, tokens = network(prepared())
    torch.testing.assert_close(encoder(images()), vector)
    torch.testing.assert_close(encoder.forward_patches(images()), tokens)
    assert encoder.embed_dims == 512
    assert (encoder.patch_dims, encoder.grid) == (32, (4, 4))


def test_default_has_the_activation_of_openai() -> None:
    state = tower().state_dict()
    quick, plain = encoder_of(state), encoder_of(state, quick_gelu=False)
    for one in (quick, plain):
        one.init_weights()
    assert quick.pretrained_tag == 'openai'
    assert (quick(images()) - plain(images())).abs().max() > 1e-3
    assert quick.settings()['quick_gelu']
    assert not plain.settings()['quick_gelu']


def test_ambiguous_activation_warns(monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        module, 'print_log', lambda text, **_: said.append(text)
    )
    state = tower(quick_gelu=False).state_dict()
    encoder_of(state, model_name='ViT-B-32').init_weights()
    assert 'quick-GELU' in said[0]
    said.clear()
    encoder_of(state).init_weights()
    encoder_of(state, model_name='ViT-B/32', quick_gelu=False).init_weights()
    assert said == []


def test_statistics_of_the_weights() -> None:
    with torch.device('meta'):
        siglip = OpenCLIPImageEncoder('ViT-B-16-SigLIP', pretrained=False)
        resnet = OpenCLIPImageEncoder('RN50x4-quickgelu', pretrained=False)
    assert siglip.mean == siglip.std == (0.5, 0.5, 0.5)
    assert siglip.embed_dims == 768
    assert resnet.mean == open_clip.OPENAI_DATASET_MEAN
    assert (resnet.embed_dims, resnet.image_size) == (640, 288)
    assert (resnet.patch_dims, resnet.grid) == (2560, (9, 9))


def test_missing_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(
        open_clip_files, 'is_downloaded', lambda name, tag: False
    )
    check = OpenCLIPImageEncoder.check_requirements
    assert 'ViT-B-32-quickgelu.openai.pth' in check({})[0]
    assert check({'pretrained': False}) == []
    assert 'x.pth are missing' in check({'checkpoint': 'x.pth'})[0]
    with pytest.raises(FileNotFoundError, match=r'x\.pth are missing'):
        encoder_of('x.pth').init_weights()
    (tmp_path / 'teachers').mkdir()
    path = tmp_path / 'teachers' / 'ViT-B-32-quickgelu.pth'
    torch.save(tower().state_dict(), path)
    assert check({}) == []
    encoder = encoder_of()
    encoder.init_weights()
    assert encoder.frozen.source == path.name


def test_wrong_model() -> None:
    with pytest.raises(ValueError, match='does not fit VisionTransformer'):
        encoder_of(tower().state_dict(), model_args=None).init_weights()
    with pytest.raises(ValueError, match='no model'):
        OpenCLIPImageEncoder('ViT-Z-99')
    with pytest.raises(ValueError, match='must be square'):
        encoder_of(model_args={**TINY, 'image_size': (32, 64)})
