from __future__ import annotations

import os
from pathlib import Path

import pytest
import timm
import torch

from mmdet3d_act.models.teachers import TimmImageEncoder, timm_models
from mmdet3d_act.registry import MODELS

NAME = 'vit_tiny_patch16_224'
TINY = dict(embed_dim=24, depth=2, num_heads=2, img_size=32, patch_size=8)


def state_of(seed: int = 1, **args) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return timm.create_model(NAME, **{**TINY, **args}).state_dict()


def encoder_of(checkpoint=None, **settings) -> TimmImageEncoder:
    settings = {'model_name': NAME, 'model_args': TINY, **settings}
    return TimmImageEncoder(checkpoint=checkpoint, **settings)


def images(size: int = 32) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)


def test_registered() -> None:
    assert MODELS.module_dict['TimmImageEncoder'] is TimmImageEncoder


def test_equals_the_librarys_model() -> None:
    state = state_of()
    encoder = encoder_of(state)
    encoder.init_weights()
    network = timm.create_model(NAME, num_classes=0, **TINY).eval()
    network.load_state_dict(
        {k: v for k, v in state.items() if 'head' not in k}
    )
    # The statistics of these weights in timm: 0.5 everywhere.
    x = (images().double() / 255 - 0.5).float() / 0.5
    with torch.no_grad():
        tokens = network.forward_features(x)
        torch.testing.assert_close(encoder(images()), network(x))
        torch.testing.assert_close(
            encoder.forward_patches(images()), tokens[:, 1:]
        )
    assert encoder.image_size == 32
    assert (encoder.embed_dims, encoder.grid) == (24, (4, 4))


def test_classifier_can_stay() -> None:
    args = {**TINY, 'num_classes': 5}
    encoder = encoder_of(state_of(num_classes=5), model_args=args)
    encoder.init_weights()
    assert encoder(images()).shape == (2, 5)
    assert encoder.embed_dims == 5
    with pytest.raises(ValueError, match=r'head\.weight \(1000, 24\)'):
        encoder_of(state_of(), model_args=args).init_weights()


def test_incomplete_weights_are_refused() -> None:
    state = state_of()
    del state['norm.weight']
    with pytest.raises(ValueError, match=r'1 missing: norm\.weight'):
        encoder_of(state).init_weights()


@pytest.mark.parametrize(
    ('name', 'width', 'grid'),
    [
        ('resnet10t', 512, (6, 6)),
        ('swin_tiny_patch4_window7_224', 768, (7, 7)),
        ('vit_small_patch14_reg4_dinov2', 384, (37, 37)),
    ],
)
def test_other_kinds(name: str, width: int, grid: tuple[int, int]) -> None:
    with torch.device('meta'):
        encoder = TimmImageEncoder(name, pretrained=False)
    assert (encoder.patch_dims, encoder.grid) == (width, grid)


def test_maps_of_a_convolutional_network() -> None:
    encoder = TimmImageEncoder('resnet10t', pretrained=False)
    batch = images(encoder.image_size)
    patches = encoder.forward_patches(batch)
    assert patches.shape == (2, 36, 512)
    torch.testing.assert_close(patches.mean(dim=1), encoder(batch))


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match='no model'):
        TimmImageEncoder('no_such_model', pretrained=False)


def test_missing_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(timm_models, 'is_downloaded', lambda name: False)
    check = TimmImageEncoder.check_requirements
    assert 'timm.create_model' in check({'model_name': NAME})[0]
    assert check({'model_name': NAME, 'pretrained': False}) == []
    gone = {'model_name': NAME, 'checkpoint': 'gone.pth'}
    assert 'gone.pth are missing' in check(gone)[0]
    with pytest.raises(FileNotFoundError, match=r'gone\.pth are missing'):
        encoder_of('gone.pth').init_weights()
    (tmp_path / 'teachers').mkdir()
    torch.save(state_of(), tmp_path / 'teachers' / f'{NAME}.pth')
    assert check({'model_name': NAME}) == []
    encoder = encoder_of()
    encoder.init_weights()
    assert encoder.frozen.source == f'{NAME}.pth'


def test_settings_tell_variants_apart() -> None:
    one = encoder_of(pretrained=False).settings()
    assert one['model_args']['depth'] == 2
    other = encoder_of(pretrained=False, mean=(0.4, 0.4, 0.4)).settings()
    assert one['mean'] == [0.5] * 3
    assert other['mean'] == [0.4] * 3


REAL = Path(os.environ.get('ACT_DATA_ROOT') or 'data') / 'teachers'


@pytest.mark.skipif(
    not (REAL / f'{NAME}.pth').is_file(), reason=f'{NAME}.pth is not here'
)
def test_real_vit_tiny() -> None:
    encoder = TimmImageEncoder(NAME)
    encoder.init_weights()
    flat = torch.full((1, 3, 224, 224), 128, dtype=torch.uint8)
    batch = torch.cat([images(224), flat])
    features = torch.nn.functional.normalize(encoder(batch), dim=1)
    assert features.isfinite().all()
    # Two images of noise look alike, a grey one does not.
    similar = features @ features.T
    assert similar[0, 1] > 0.5
    assert similar[0, 2] < similar[0, 1]
