"""The student out of our own checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.converters.conversion import write_checkpoint
from mmdet3d_act.models.backbones import PointTransformer
from tests.test_models import toys
from tests.test_tools.loading import load_tool

extract_backbone = load_tool('model_converters.extraction').extract_backbone

DATA = dict(up_axis='y', normalization='unit_sphere')


def save(
    path: Path,
    prefix: str = 'student.',
    settings: dict | None = None,
    **changes: object,
) -> PointTransformer:
    """Write a training checkpoint, and return the student in it."""
    student = toys.randomize(toys.student(**changes), seed=3)
    state = {prefix + k: v for k, v in student.state_dict().items()}
    state['objectives.act.head.proj.weight'] = torch.ones(2, 2)
    meta = dict(epoch=7, iter=70, seed=0, dataset_meta=DATA)
    if settings is not None:
        meta['backbone'] = settings
    torch.save(
        dict(
            meta=meta,
            state_dict=state,
            optimizer=dict(state={}),
            message_hub={},
        ),
        path,
    )
    return student


@pytest.mark.parametrize('prefix', ['student.', 'backbone.', ''])
def test_it_is_taken_out_and_loads(tmp_path: Path, prefix: str) -> None:
    settings = dict(num_heads=4, skip_origin=True)
    student = save(tmp_path / 'epoch_7.pth', prefix, settings)
    found = extract_backbone(tmp_path / 'epoch_7.pth')
    assert found.left == 1
    assert found.config['num_heads'] == 4
    assert found.config['skip_origin'] is True
    assert found.meta['extracted']['source'] == 'epoch_7.pth'
    assert found.meta['extracted']['epoch'] == 7
    assert len(found.meta['extracted']['sha256']) == 64
    assert found.meta['dataset_meta'] == DATA
    out = tmp_path / 'student.pth'
    write_checkpoint(out, found.state, found.meta)
    assert out.stat().st_size < (tmp_path / 'epoch_7.pth').stat().st_size * 2
    again = toys.student(init_cfg=dict(type='Pretrained', checkpoint=str(out)))
    again.init_weights()
    for name, value in student.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert again.pretrained_meta == DATA


def test_settings_come_from_the_weights_and_are_not_guessed(
    tmp_path: Path,
) -> None:
    save(tmp_path / 'a.pth', position='after')
    config = extract_backbone(tmp_path / 'a.pth').config
    assert (config['num_layers'], config['position']) == (2, 'after')
    assert 'num_heads' not in config


def test_an_autoencoder_has_none(tmp_path: Path) -> None:
    torch.save(dict(state_dict=toys.vae().state_dict()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='only a patch embedding; give a'):
        extract_backbone(tmp_path / 'a.pth')


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    save(tmp_path / 'a.pth')
    loaded = torch.load(tmp_path / 'a.pth', weights_only=True)
    del loaded['state_dict']['student.blocks.1.norm1.bias']
    torch.save(loaded, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'blocks.1.norm1.bias.*damaged'):
        extract_backbone(tmp_path / 'a.pth')
