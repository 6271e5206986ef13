from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.teachers import clipcap_files as module
from mmdet3d_act.models.teachers.clipcap_files import MappingSizes
from tests.test_models.test_teachers.test_clipcap import published

MLP = MappingSizes('mlp', 16, 3, 8)
TRANSFORMER = MappingSizes('transformer', 16, 3, 8, 2, 2)


@pytest.mark.parametrize('sizes', [MLP, TRANSFORMER])
@pytest.mark.parametrize('alone', [False, True])
def test_mapping_of_a_file(
    tmp_path: Path, sizes: MappingSizes, alone: bool
) -> None:
    """Whole captioning models, and mappings that were saved alone."""
    state = published(sizes.variant)
    if alone:
        state = {
            key.removeprefix('clip_project.'): value
            for key, value in state.items()
            if key.startswith('clip_project.')
        }
    torch.save(state, tmp_path / 'model.pt')
    read, name = module.read_clipcap(tmp_path / 'model.pt')
    assert name == 'model.pt'
    found = module.mapping_state(read, sizes, name)
    assert not any('clip_project' in key for key in found)
    assert not any('to_queries' in key for key in found)
    assert ('0.weight' in found) == (sizes.variant == 'mlp')


def test_queries_come_before_keys_and_values() -> None:
    state = published('transformer')
    found = module.mapping_state(state, TRANSFORMER, 'file')
    layer = 'clip_project.transformer.layers.1.attn.'
    qkv = found['blocks.1.attn.qkv.weight']
    assert torch.equal(qkv[:8], state[f'{layer}to_queries.weight'])
    assert torch.equal(qkv[8:], state[f'{layer}to_keys_values.weight'])
    assert found.keys() >= {'prefix_const', 'linear.bias'}


@pytest.mark.parametrize(
    ('wanted', 'said'),
    [
        (
            MLP._replace(clip_dims=512),
            'clip_dims 16 instead of 512; set clip_dims=16 in the mapping',
        ),
        (MLP._replace(prefix_length=10), 'prefix_length 3 instead of 10'),
        (TRANSFORMER, "variant 'mlp' instead of 'transformer'|variant mlp"),
        (MLP._replace(embed_dims=7), "no multiple of the language model's"),
    ],
)
def test_other_sizes(wanted: MappingSizes, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        module.mapping_state(published('mlp'), wanted, 'file.pt')


def test_encoder_that_a_mapping_needs_is_named() -> None:
    state = {
        'clip_project.model.0.weight': torch.zeros(3840, 640),
        'clip_project.model.2.weight': torch.zeros(7680, 3840),
    }
    with pytest.raises(
        CheckpointError, match=r"640 numbers, as CLIP's RN50x4"
    ):
        module.mapping_state(state, MappingSizes('mlp', 512, 10, 768), 'x')


def test_file_without_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='holds no mapping of ClipCap'):
        module.mapping_state({'head.weight': torch.ones(1)}, MLP, 'file')
    (tmp_path / 'broken.pt').write_bytes(b'no weights')
    with pytest.raises(CheckpointError, match='no readable weights file'):
        module.read_clipcap(tmp_path / 'broken.pt')
    with pytest.raises(FileNotFoundError, match=r'gone\.pt are missing'):
        module.read_clipcap('gone.pt')
    assert module.missing_mapping({'a': 1}) is None


def test_file_that_would_run_code(tmp_path: Path) -> None:
    torch.save({'clip_project': Path('x')}, tmp_path / 'pickle.pt')
    with pytest.raises(CheckpointError, match='no readable weights file'):
        module.read_clipcap(tmp_path / 'pickle.pt')
