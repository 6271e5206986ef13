"""Gloo set-up; two real processes are in tests/test_tools/test_train.py."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from torch import distributed as torch_dist

from mmdet3d_act.engine import distributed
from mmdet3d_act.engine.distributed import (
    init_gloo,
    launched_rank,
    prepare_distributed,
)

ALONE = dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0')


def test_rank_of_each_launcher(monkeypatch):
    for name in distributed.RANK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert launched_rank('mpi') == 0
    monkeypatch.setenv('OMPI_COMM_WORLD_RANK', '3')
    assert launched_rank('mpi') == 3
    assert launched_rank('none') == 0


def test_launcher_without_its_variables_is_named(monkeypatch):
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    with pytest.raises(ValueError, match='SLURM_PROCID'):
        init_gloo('slurm')


def test_config_is_prepared_for_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for name, value in (*ALONE.items(), ('MASTER_ADDR', 'localhost')):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('MASTER_PORT', '29571')
    cfg = Config(dict(launcher='pytorch', find_unused_parameters=True))
    prepare_distributed(cfg)
    try:
        assert torch_dist.get_backend() == 'gloo'
    finally:
        torch_dist.destroy_process_group()
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    cfg.sync_bn = 'torch'
    with pytest.raises(ValueError, match='sync_bn'):
        prepare_distributed(cfg)
