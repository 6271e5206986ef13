"""Configs of detectors: sizes from shapes, the rest as released."""

from __future__ import annotations

import pytest

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import plan_conversion, write_checkpoint
from mmdet3d_act.converters.model_configs import (
    build_network,
    detector_config,
    encoder_config,
)
from mmdet3d_act.models.backbones import ThreeDETREncoder
from tests.test_converters import published
from tests.test_models.test_detectors import scenes


@pytest.mark.parametrize('masked', [False, True])
def test_sizes(masked: bool) -> None:
    extra = (
        dict(
            num_layers=3,
            masking_radii=(0.4, 0.8, 1.2),
            downsample_radius=0.4,
            downsample_channels=(24,),
        )
        if masked
        else dict(num_layers=2)
    )
    model = scenes.detector(
        scenes.encoder(in_channels=5, **extra),
        num_angle_bins=3,
        projection_channels=(20,),
    )
    config = detector_config(model.state_dict(), num_groups=9)
    built = build_network(config)
    built.load_state_dict(model.state_dict())
    assert built.backbone.num_groups == 9
    assert built.backbone.num_heads == 4
    assert built.bbox_head.box_coder.num_angle_bins == 3
    assert built.bbox_head.assigner.rotation == 'released'
    # Empty for an encoder that sees everything.
    assert built.backbone.reaches == pytest.approx(
        (0.16, 0.64, 1.44) if masked else ()
    )


def test_encoder_alone_and_its_file(tmp_path) -> None:
    """MaskPoint's file becomes one that ``init_cfg`` of the encoder reads."""
    sizes = {
        name: shape
        for name, shape in published.shapes(
            'maskpoint_pretrain_scannet_enc3'
        ).items()
        if not name.startswith(('queue', 'transformer_k'))
    }
    source = published.write(tmp_path / 'src.pth', published.values(sizes))
    result = plan_conversion(source)
    result.check()
    assert (result.format, result.task) == ('maskpoint_scannet', 'backbone')
    assert result.meta['dataset_meta']['up_axis'] == 'z'
    target = tmp_path / 'dst.pth'
    write_checkpoint(target, result.state, result.meta)
    config = encoder_config(result.state)
    assert config == result.config
    init_cfg = dict(type='Pretrained', checkpoint=str(target))
    encoder = build_network({**config, 'init_cfg': init_cfg})
    assert isinstance(encoder, ThreeDETREncoder)
    encoder.init_weights()
    assert all(
        encoder.state_dict()[name].equal(value)
        for name, value in result.state.items()
    )
