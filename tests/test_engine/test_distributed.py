"""Gloo set-up and shared batch statistics; two real processes are in
tests/test_tools/test_train.py."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from torch import distributed as torch_dist
from torch import nn

from mmdet3d_act.engine import distributed
from mmdet3d_act.engine.distributed import (
    CPUDistributedDataParallel,
    convert_naive_sync_bn,
    init_gloo,
    launched_rank,
    prepare_distributed,
)


@pytest.fixture
def one_process(monkeypatch, tmp_path):
    """A gloo group of this process alone."""
    torch_dist.init_process_group(
        'gloo',
        init_method=f'file://{tmp_path / "store"}',
        rank=0,
        world_size=1,
    )
    yield
    torch_dist.destroy_process_group()


def test_rank_of_each_launcher(monkeypatch):
    for name in distributed.RANK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert launched_rank('mpi') == 0
    monkeypatch.setenv('OMPI_COMM_WORLD_RANK', '3')
    assert launched_rank('mpi') == 3
    assert launched_rank('none') == 0


def test_launcher_without_its_variables_is_named(monkeypatch):
    monkeypatch.delenv('SLURM_NODELIST', raising=False)
    with pytest.raises(ValueError, match=r"'slurm' has not set .*SLURM_NODE"):
        init_gloo('slurm')


def test_unknown_launcher_is_refused():
    with pytest.raises(ValueError, match="got 'none'"):
        init_gloo('none')


@pytest.mark.usefixtures('one_process')
def test_config_is_prepared_for_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(
        dict(launcher='pytorch', sync_bn='torch', find_unused_parameters=True)
    )
    prepare_distributed(cfg)
    assert cfg.sync_bn is None
    assert cfg.model_wrapper_cfg == dict(
        type='CPUDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
        sync_bn=True,
    )


def test_config_is_left_alone_with_cuda_or_one_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config(dict(launcher='pytorch', sync_bn='torch'))
    prepare_distributed(cfg)
    assert 'model_wrapper_cfg' not in cfg
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg.launcher = 'none'
    prepare_distributed(cfg)
    assert cfg.sync_bn == 'torch'
    assert 'model_wrapper_cfg' not in cfg


def test_conversion_keeps_parameters_and_results():
    pytest.importorskip('mmdet3d')
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4, eps=0.1))
    model[1].weight.requires_grad_(False)
    model[1].running_mean.fill_(0.5)
    before = dict(model.named_parameters())
    points = torch.randn(2, 3, 5)
    expected = model.eval()(points)
    converted = convert_naive_sync_bn(model)
    assert type(converted[1]).__name__ == 'NaiveSyncBatchNorm1d'
    for name, param in converted.named_parameters():
        assert param is before[name]
    assert not converted[1].weight.requires_grad
    assert not converted[1].training
    torch.testing.assert_close(converted(points), expected)


def test_conversion_refuses_what_has_no_counterpart():
    pytest.importorskip('mmdet3d')
    model = nn.Sequential(nn.BatchNorm3d(2))
    with pytest.raises(ValueError, match='got BatchNorm3d'):
        convert_naive_sync_bn(model)


@pytest.mark.usefixtures('one_process')
def test_wrapper_trains_on_cpu_whatever_device_the_runner_names():
    model = nn.Linear(2, 1)
    wrapper = CPUDistributedDataParallel(model, device_ids=[0])
    wrapper(torch.ones(1, 2)).sum().backward()
    assert wrapper.device_ids is None
    torch.testing.assert_close(model.weight.grad, torch.ones(1, 2))


def test_wrapper_explains_sync_batch_norm():
    model = nn.Sequential(nn.SyncBatchNorm(2))
    with pytest.raises(ValueError, match=r'0 is a torch.nn.SyncBatchNorm'):
        CPUDistributedDataParallel(model)
