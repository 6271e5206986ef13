from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmdet3d_act.models.teachers import weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    return tmp_path / 'teachers'


STATE = {'a.weight': torch.tensor([[1.0, 2.5]]), 'a.bias': torch.ones(1)}


def write(path: Path, state: dict) -> Path:
    if path.suffix == '.npz':
        np.savez(path, **{k: v.numpy() for k, v in state.items()})
    elif path.suffix == '.safetensors':
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors', '.npz'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_formats(tmp_path: Path, suffix: str, dtype: torch.dtype) -> None:
    half = {key: value.to(dtype) for key, value in STATE.items()}
    read = weights.read_weights(write(tmp_path / f'w{suffix}', half))
    assert set(read) == set(STATE)
    for key, value in STATE.items():
        assert read[key].dtype == torch.float32
        assert torch.equal(read[key], value)


def test_wrapped_state_dicts(tmp_path: Path) -> None:
    inner = {f'module.{key}': value for key, value in STATE.items()}
    path = write(tmp_path / 'w.pth', {'state_dict': inner, 'epoch': 3})
    assert set(weights.read_weights(path)) == set(STATE)


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    path.write_bytes(b'not a checkpoint')
    with pytest.raises(ValueError, match='no readable weights file'):
        weights.read_weights(path)
    torch.save({'state_dict': [1, 2]}, path)
    with pytest.raises(ValueError, match='parameter names to tensors'):
        weights.read_weights(path)
    jax = {'Transformer/encoderblock_0/LayerNorm_0/bias': torch.ones(2)}
    with pytest.raises(ValueError, match='original JAX release'):
        weights.read_weights(write(tmp_path / 'w.npz', jax))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save({'a': Path('x')}, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='tensors only'):
        weights.read_weights(tmp_path / 'w.pth')


def test_programs_beside_weights_are_refused(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 1)).save(tmp_path / 'clip.pt')
    with pytest.raises(ValueError, match=r'jit\.load\(.*clip\.pth'):
        weights.read_weights(tmp_path / 'clip.pt')
    torch.save(STATE, tmp_path / 'clip.pt')
    assert set(weights.read_weights(tmp_path / 'clip.pt')) == set(STATE)


def test_where_files_are_looked_for(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert weights.find_weights('vit.pth') is None
    here = write(folder.parent / 'vit.pth', STATE)
    assert weights.find_weights('vit.pth').resolve() == here
    there = write(folder / 'vit.pth', STATE)
    assert weights.find_weights('vit.pth') == there
    assert weights.find_weights(here) == here
    assert weights.find_named(['other', 'vit']) == there
    assert weights.find_named(['other']) is None
    assert str(folder / 'gone.pth') in weights.missing_file('gone.pth')


def test_default_folder(monkeypatch) -> None:
    monkeypatch.delenv('ACT_DATA_ROOT', raising=False)
    assert weights.teacher_folder() == Path('data/teachers')


def test_fill_is_exact() -> None:
    module = nn.ModuleDict({'a': nn.Linear(2, 1)})
    state = {f'net.{key}': value for key, value in STATE.items()}
    state['net.more'] = torch.ones(1)
    weights.fill_module(module, state, ['x.', 'net.'])
    assert torch.equal(module['a'].weight, STATE['a.weight'])
    with pytest.raises(ValueError, match=r'1 missing: net\.a\.bias'):
        weights.fill_module(
            module, {'net.a.weight': STATE['a.weight']}, ['net.']
        )
    wide = nn.ModuleDict({'a': nn.Linear(3, 1)})
    with pytest.raises(ValueError, match=r'\(1, 2\) instead of \(1, 3\)'):
        weights.fill_module(wide, state, ['net.'], name='w.pth')


def test_weights_that_were_given(tmp_path: Path) -> None:
    read, path = weights.read_given, tmp_path / 'one.pth'
    torch.save({'a': torch.ones(1)}, path)
    state, name = read(path, None)
    assert (list(state), name) == (['a'], 'one.pth')
    assert read(None, path)[1] == 'one.pth'
    assert read({'b': torch.ones(1)}, path)[1] is None
    assert read(None, None) is None
    with pytest.raises(FileNotFoundError, match=r'two\.pth are missing'):
        read('two.pth', path)
