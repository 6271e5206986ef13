"""Reading published files: what is allowed, and what is refused by name."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act import compat
from mmdet3d_act.converters.reading import read_published
from tests.test_converters import published

STATE = {'norm.weight': torch.ones(3), 'norm.bias': torch.zeros(3)}


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


class Settings(dict):
    """A class of the release, as easydict's is."""


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
    assert file.entries == {
        'optimizer': 'dict',
        'epoch': 'int',
        'metrics': 'dict',
        'best_metrics': 'dict',
        'args': 'Namespace',
    }


def test_a_bare_state_dict_and_the_old_file_format(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    state = OrderedDict(STATE)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    file = read_published(path)
    assert set(file.state) == set(STATE)
    assert file.entries == {}


def test_what_is_no_tensor_among_the_weights(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    torch.save({'model': {**STATE, 'version': 2, 'lr': np.float64(1)}}, path)
    assert set(read_published(path).odd) == {'version', 'lr'}


def test_a_class_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    torch.save({'base_model': STATE, 'config': Settings(a=1)}, path)
    with pytest.raises(ValueError, match=r'type \S*test_reading\.Settings'):
        read_published(path)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path, folder = tmp_path / 'a.pth', tmp_path / 'made'
    members = argparse.Namespace(inner=[Evil(folder)])
    torch.save({'base_model': STATE, 'args': members}, path)
    with pytest.raises(ValueError, match=r'type \w+\.mkdir, which is refused'):
        read_published(path)
    assert not folder.exists()


def test_namespaces_are_allowed_here_only(tmp_path: Path) -> None:
    path = published.write(tmp_path / 'a.pth', STATE)
    read_published(path)
    with pytest.raises(Exception, match='Namespace'):
        compat.load_checkpoint(str(path))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_published(tmp_path / 'a.pth')
    for content in (b'', b'<html>not found</html>', b'\x80\x02garbage'):
        (tmp_path / 'b.pth').write_bytes(content)
        with pytest.raises(ValueError, match='cannot be read'):
            read_published(tmp_path / 'b.pth')


def test_half_a_file(tmp_path: Path) -> None:
    path = published.write(tmp_path / 'a.pth', STATE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match='cannot be read'):
        read_published(path)


@pytest.mark.parametrize('content', [{}, {'model': {}}, {'epoch': 3}])
def test_files_without_weights(tmp_path: Path, content: dict) -> None:
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='holds no weights'):
        read_published(tmp_path / 'a.pth')


def test_a_tensor_alone(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='type Tensor, expected a dict'):
        read_published(tmp_path / 'a.pth')
