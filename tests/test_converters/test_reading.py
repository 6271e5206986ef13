"""Reading published files: what is allowed, and what is refused by name."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.converters.reading import read_published
from tests.test_converters import published

STATE = {'norm.weight': torch.ones(3), 'norm.bias': torch.zeros(3)}


@pytest.mark.parametrize(
    'wrapper', ['base_model', 'model', 'model_state_dict', 'state_dict']
)
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_members_of_released_files(
    tmp_path: Path, wrapper: str, prefix: str
) -> None:
    path = published.write(tmp_path / 'a.pth', STATE, wrapper, prefix)
    file = read_published(path)
    assert file.source == 'a.pth'
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(file.state) == set(STATE)
    assert torch.equal(file.state['norm.weight'], STATE['norm.weight'])
    assert file.odd == {}


def test_a_bare_state_dict_and_the_old_file_format(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    state = OrderedDict(STATE)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    file = read_published(path)
    assert set(file.state) == set(STATE)


def test_what_is_no_tensor_among_the_weights(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    torch.save({'model': {**STATE, 'version': 2, 'lr': np.float64(1)}}, path)
    assert set(read_published(path).odd) == {'version', 'lr'}
