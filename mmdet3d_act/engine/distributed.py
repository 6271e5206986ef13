"""Several processes on machines without CUDA.

MMEngine's ``init_dist`` selects a CUDA device, and its runner gives
DistributedDataParallel the number of one. What is needed instead is here. With
CUDA all of it stays MMEngine's.
"""

from __future__ import annotations

import datetime
import os
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, init_dist, is_distributed, utils
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

# Where a launcher tells its processes who they are, before any set-up.
RANK_VARIABLES = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


def launched_rank(launcher: str) -> int:
    """Read the rank that the launcher gave this process; 0 without one.

    Args:
        launcher: ``'none'``, or see :func:`init_gloo`.
    """
    if launcher == 'none':
        return 0
    ranks = [os.environ[key] for key in RANK_VARIABLES if key in os.environ]
    return int(ranks[0]) if ranks else 0


def unwrapped(model: nn.Module) -> nn.Module:
    """Strip a model of what distributes it or averages its views.

    Args:
        model: A runner's model.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def init_gloo(launcher: str, timeout: float = 1800) -> None:
    """Start the process group on CPU; MMEngine then finds it started.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        timeout: Seconds until a process that waits for others gives up.

    Raises:
        ValueError: If the launcher has not set its variables.
    """
    start = getattr(utils, f'_init_dist_{launcher}')
    try:
        # It would select a CUDA device first.
        with mock.patch.object(torch.cuda, 'set_device'):
            start('gloo', timeout=datetime.timedelta(seconds=timeout))
    except KeyError as error:
        raise ValueError(
            f'launcher {launcher!r} has not set the environment variable '
            f'{error}; start with tools/dist_train.sh or tools/slurm_train.sh'
        ) from error


def prepare_distributed(cfg: Config) -> None:
    """Make a config run in several processes where there is no CUDA.

    Starts the gloo group and has the model wrapped without a device. Does
    nothing with one process, or with CUDA, where MMEngine's own way (NCCL) is
    right.

    Args:
        cfg: The config, with ``launcher``; changed in place.

    Raises:
        ValueError: If it shares batch statistics, which PyTorch does on GPUs
            only.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.get('sync_bn'):
        raise ValueError('sync_bn (--sync-bn) needs GPUs: leave it out')
    dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
    if not is_distributed():
        init_gloo(launcher, dist_cfg.get('timeout', 1800))
    cfg.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
        **(cfg.get('model_wrapper_cfg') or {}),
        'device_ids': None,
    }


def start_processes(cfg: Config) -> str:
    """Join the processes of a launcher, for work without a runner.

    Args:
        cfg: With ``launcher``.

    Returns:
        The device of this process.
    """
    launcher = cfg.get('launcher', 'none')
    prepare_distributed(cfg)
    if launcher != 'none' and not is_distributed():
        init_dist(launcher)
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{get_rank() % torch.cuda.device_count()}'
