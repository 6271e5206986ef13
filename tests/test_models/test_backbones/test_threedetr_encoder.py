"""3DETR's encoders: what they return, attend to, and load."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.models.backbones import ThreeDETREncoder

SIZES = dict(
    embed_dims=16,
    num_layers=3,
    feedforward_dims=24,
    num_groups=12,
    group_size=6,
    radius=0.3,
    channels=(8, 8),
)
MASKED = dict(
    SIZES,
    masking_radii=(0.4, 0.8, 1.2),
    downsample_radius=0.4,
    downsample_size=4,
)


def encoder(**settings: object) -> ThreeDETREncoder:
    torch.manual_seed(0)
    return ThreeDETREncoder(**{**SIZES, **settings}).eval()


@pytest.mark.parametrize('settings', [SIZES, MASKED])
def test_the_dict_of_heads(settings: dict) -> None:
    points = torch.rand(2, 60, 3)
    feats = encoder(**settings)(points)
    groups = 6 if settings is MASKED else 12
    assert feats['features'].shape == (2, 16, groups)
    rows = feats['fp_indices'][-1]
    for cloud in range(2):
        assert torch.equal(points[cloud, rows[cloud]], feats['centers'][cloud])
    assert torch.equal(feats['sa_xyz'][0], points)
    assert torch.equal(feats['sa_indices'][0][1], torch.arange(60))
    assert torch.equal(feats['fp_features'][-1], feats['features'])
    assert feats['cls_token'] is None
    assert feats['sa_features'][0] is None


@pytest.mark.parametrize('settings', [SIZES, MASKED])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(settings: dict, dtype: torch.dtype) -> None:
    points, model = torch.rand(2, 60, 3), encoder(**settings)
    expected = model(points)['features']
    half = model.to(dtype)(points)['features']
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.1)


def test_colours_are_features() -> None:
    model = encoder(in_channels=6)
    points = torch.rand(1, 60, 6)
    first = model(points)
    assert first['sa_features'][0].shape == (1, 3, 60)
    points[..., 3:] = 1 - points[..., 3:]
    assert not torch.equal(first['features'], model(points)['features'])
    with pytest.raises(ValueError, match='in_channels=6'):
        model(points[..., :3])


@pytest.mark.parametrize(
    ('squared', 'reaches'),
    [(True, (0.16, 0.64, 1.44)), (False, (0.4, 0.8, 1.2))],
)
def test_masked_layers_see_their_surroundings(
    squared: bool, reaches: tuple[float, ...]
) -> None:
    model = encoder(**MASKED, squared_radii=squared)
    assert model.reaches == pytest.approx(reaches)
    centers = torch.tensor([[[0.0, 0, 0], [0.3, 0, 0], [1.3, 0, 0]]])
    blocked = model._mask(centers, 0)[0]
    near = reaches[0] > 0.3
    assert blocked.tolist() == [
        [False, not near, True],
        [not near, False, True],
        [True, True, False],
    ]
    assert encoder()._mask(centers, 0) is None


def test_pretrained_weights(tmp_path: Path) -> None:
    source = encoder()
    path = tmp_path / 'own.pth'
    state = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    torch.save({'state_dict': state}, path)
    cfg = dict(type='Pretrained', checkpoint=str(path))
    torch.manual_seed(1)
    model = ThreeDETREncoder(**SIZES, init_cfg=cfg)
    model.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name
    deeper = ThreeDETREncoder(**{**SIZES, 'num_layers': 4}, init_cfg=cfg)
    with pytest.raises(ValueError, match=r'num_layers=3.*without a second'):
        deeper.init_weights()
