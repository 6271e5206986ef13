"""MMEngine checkpoints, config names and the allocator."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmdet3d_act import compat

REPO = Path(__file__).resolve().parents[1]


class Regressor(BaseModel):
    """The smallest model that a Runner trains."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x, mode='tensor'):
        output = self.linear(x)
        if mode == 'loss':
            return dict(loss=output.square().mean())
        return [output]


class NumpyMetric(BaseMetric):
    """Returns numpy scalars of several types, as real metrics do."""

    def process(self, data_batch, data_samples):
        self.results.append(1.0)

    def compute_metrics(self, results):
        return dict(
            acc=np.float64(np.mean(results)),
            single=np.float32(0.5),
            count=np.int64(len(results)),
            good=np.bool_(True),
        )


def make_runner(work_dir: Path, max_epochs: int, name: str) -> Runner:
    loader = dict(
        dataset=[dict(x=torch.ones(2) * i) for i in range(4)],
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )
    return Runner(
        Regressor(),
        str(work_dir),
        train_dataloader=loader,
        val_dataloader=dict(loader),
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        val_cfg=dict(),
        val_evaluator=Evaluator([NumpyMetric()]),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=dict(type='CosineAnnealingLR', T_max=4),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', save_best='acc')
        ),
        custom_hooks=[dict(type='EMAHook')],
        randomness=dict(seed=0),
        experiment_name=name,
    )


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runner')
    make_runner(folder, 2, 'compat_first').train()
    return folder


@pytest.fixture
def no_safe_globals():
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def test_checkpoint_loads_with_allow_list(work_dir, no_safe_globals):
    compat.allow_mmengine_checkpoints()
    checkpoint = CheckpointLoader.load_checkpoint(
        str(work_dir / 'best_acc_epoch_1.pth'), map_location='cpu'
    )
    log = checkpoint['message_hub']['log_scalars']
    assert isinstance(log['train/loss'], HistoryBuffer)
    assert log['train/loss'].mean() > 0
    assert len(log['train/loss'].data[0]) == 2
    info = checkpoint['message_hub']['runtime_info']
    assert info['best_score'] == 1.0
    assert isinstance(info['best_score'], np.float64)


def test_training_resumes(work_dir):
    runner = make_runner(work_dir, 3, 'compat_second')
    runner._resume = True
    runner.train()
    assert runner.epoch == 3
    assert runner.iter == 6
    state = torch.load(work_dir / 'epoch_3.pth', weights_only=True)
    assert state['meta']['epoch'] == 3
    history = state['message_hub']['log_scalars']['train/loss']
    assert len(history.data[0]) == 6


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
    with pytest.raises(UnpicklingError, match=r'ObjectDType|dtype'):
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
