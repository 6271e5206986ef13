"""FSDP on two processes: its checkpoints are those of DDP."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act import compat
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.sharding import ShardedStrategy
from tests.test_engine.toy import ROOT, write_config

# Two groups, by the shapes of the parameters.
GROUPS = """
optim_wrapper['optimizer'].update(weight_decay=0.1)
optim_wrapper['paramwise_cfg'] = dict(norm_decay_mult=0.0)
"""


def train(rank: int, folder: str, epochs: int, resume: str, how: str) -> None:
    """Train as one of two processes."""
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank))
    cfg = Config.fromfile(write_config(Path(folder).parent, GROUPS))
    cfg.merge_from_dict({'train_cfg.max_epochs': epochs})
    cfg.work_dir, cfg.launcher = folder, 'pytorch'
    cfg.resume, cfg.load_from = bool(resume), resume or None
    if how == 'FSDP':
        cfg.strategy = dict(type='ShardedStrategy')
    launch.start_training(launch.build_runner(cfg))


def train_both(*args: object) -> None:
    """Train in two forked processes, which have imported everything."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    context = multiprocessing.get_context('fork')
    pair = [context.Process(target=train, args=(r, *args)) for r in (0, 1)]
    for one in pair:
        one.start()
    for one in pair:
        one.join(240)
    assert [one.exitcode for one in pair] == [0, 0]


@pytest.mark.slow
def test_checkpoints_go_from_fsdp_to_ddp_and_back(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'tests.test_engine.test_sharding']
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        check=False,
    )
    assert done.returncode == 0
    straight, *others = (
        torch.load(tmp_path / name / 'epoch_4.pth', weights_only=True)
        for name in ('straight', 'to_ddp', 'to_fsdp')
    )
    for other in others:
        first, second = straight['optimizer'], other['optimizer']
        assert first['param_groups'] == second['param_groups']
        torch.testing.assert_close(first['state'], second['state'])
        torch.testing.assert_close(straight['state_dict'], other['state_dict'])


def test_clipping_is_refused() -> None:
    wrapper = dict(clip_grad=dict(max_norm=1))
    with pytest.raises(UsageError, match='clip_grad'):
        ShardedStrategy.prepare(None, None, optim_wrapper=wrapper)


if __name__ == '__main__':
    compat.allow_mmengine_checkpoints()
    DDP, TO_DDP, FSDP, TO_FSDP = (
        f'{sys.argv[1]}/{name}'
        for name in ('straight', 'to_ddp', 'first', 'to_fsdp')
    )
    train_both(DDP, 4, '', 'DDP')
    train_both(FSDP, 2, '', 'FSDP')
    train_both(TO_DDP, 4, f'{FSDP}/epoch_2.pth', 'DDP')
    train_both(TO_FSDP, 4, f'{DDP}/epoch_3.pth', 'FSDP')
