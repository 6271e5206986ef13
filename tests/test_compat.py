"""MMEngine checkpoints, config names and the allocator."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer

from mmdet3d_act import compat

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def no_safe_globals():
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def test_what_a_runner_stores_is_read(tmp_path, no_safe_globals):
    """Its log and values of metrics; refused without the allow-list."""
    path = tmp_path / 'epoch_1.pth'
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.mean()
    values = dict(acc=np.float64(1), single=np.float32(0.5), count=np.int64(2))
    torch.save(dict(log=history, values=values, good=np.bool_(True)), path)
    with pytest.raises(UnpicklingError, match=r'HistoryBuffer|getattr'):
        torch.load(path, weights_only=True)
    compat.allow_mmengine_checkpoints()
    found = torch.load(path, weights_only=True)
    assert found['log'].mean() == 1.5
    assert found['values'] == values
    assert isinstance(found['values']['single'], np.float32)
    # What is allowed for one file takes nothing off the list.
    compat.load_safely(path)
    assert compat.load_safely(path, allowed=[Namespace])['log'].max() == 2


def test_label_maps_of_data_sets_are_read(tmp_path):
    """MMDetection3D puts them into a config's dict, and Runners store that."""
    path = tmp_path / 'epoch_1.pth'
    labels = ConfigDict(classes=('wall',))
    labels['label2cat'] = {0: 'wall'}
    torch.save(dict(meta=dict(dataset_meta=labels)), path)
    meta = compat.load_safely(path)['meta']['dataset_meta']
    assert meta == labels
    assert isinstance(meta['label2cat'], ConfigDict)


def test_getattr_reaches_statistics_methods_only(tmp_path):
    compat.allow_mmengine_checkpoints()

    class Evil:
        def __reduce__(self):
            return getattr, (HistoryBuffer, '__init__')

    path = tmp_path / 'evil.pth'
    torch.save(dict(extra=Evil()), path)
    with pytest.raises(UnpicklingError, match='statistics method'):
        torch.load(path, weights_only=True)


def test_object_arrays_are_refused(tmp_path):
    compat.allow_mmengine_checkpoints()
    path = tmp_path / 'objects.pth'
    torch.save(dict(extra=np.array([None], dtype=object)), path)
    with pytest.raises(UnpicklingError, match='O8'):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize('module', ['numpy.core', 'numpy._core'])
def test_names_of_numpy_1_and_2_are_known(module, tmp_path, no_safe_globals):
    compat.allow_mmengine_checkpoints()
    names = {
        name: function
        for function, name in (
            entry
            for entry in torch.serialization.get_safe_globals()
            if isinstance(entry, tuple)
        )
    }
    array = np.arange(3.0)
    rebuild, arguments, state = array.__reduce__()
    assert names[f'{module}.multiarray._reconstruct'] is rebuild
    copy = names[f'{module}.multiarray._reconstruct'](*arguments)
    copy.__setstate__(state)
    np.testing.assert_array_equal(copy, array)
    scalar = names[f'{module}.multiarray.scalar']
    assert scalar(*np.float32(1.5).__reduce__()[1]) == 1.5


@pytest.fixture
def one_config(tmp_path, monkeypatch):
    """A config folder of its own, so that no real config is needed."""
    (tmp_path / '_base_').mkdir()
    (tmp_path / 'act').mkdir()
    (tmp_path / 'act' / 'one.py').write_text('model = dict(type="One", a=1)\n')
    monkeypatch.setattr(compat, 'config_root', lambda: tmp_path)
    return tmp_path / 'act' / 'one.py'


def test_package_bases_work(one_config, tmp_path, monkeypatch):
    monkeypatch.setattr(Config, '_get_cfg_path', Config._get_cfg_path)
    child = tmp_path / 'child.py'
    child.write_text("_base_ = 'mmdet3d_act::act/one.py'\nmodel = dict(b=2)\n")
    compat.register_config_scope()
    once = Config._get_cfg_path
    compat.register_config_scope()
    assert Config._get_cfg_path is once
    config = Config.fromfile(str(child))
    assert config.model == dict(type='One', a=1, b=2)


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='only glibc is tuned'
)
def test_tune_allocator_in_a_fresh_process():
    code = """
import torch
from mmdet3d_act.compat import tune_allocator
assert tune_allocator()
maps = len(open('/proc/self/maps').readlines())
block = [torch.empty(5_000_000) for _ in range(20)]
# 20 blocks of 20 MB come from the heap, not from 20 new maps.
assert len(open('/proc/self/maps').readlines()) - maps < 10
"""
    environment = dict(os.environ, PYTHONPATH=str(REPO))
    subprocess.run([sys.executable, '-c', code], env=environment, check=True)


class Crafted:
    """Pickles as a call of our choice."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args, state)[: 2 + (state is not None)]

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    'kind', ['V8', 'O', [('a', 'O')], dict(names=['a'], formats=['O'])]
)
def test_types_that_could_hide_objects_are_refused(kind, tmp_path):
    rebuild = np.empty(0).__reduce__()[0]
    dtype = Crafted(np.dtype, kind)
    state = (1, (1,), dtype, False, b'A' * 8)
    array = Crafted(rebuild, np.ndarray, (0,), b'b', state=state)
    torch.save(dict(x=array), tmp_path / 'crafted.pth')
    with pytest.raises(UnpicklingError):
        compat.load_safely(tmp_path / 'crafted.pth')
