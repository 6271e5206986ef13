"""Several processes on machines without CUDA.

MMEngine's ``init_dist`` selects a CUDA device, its runner gives
DistributedDataParallel the number of one, and ``torch.nn.SyncBatchNorm``
rejects tensors on CPU. What is needed instead is here. With CUDA all of it
stays MMEngine's.
"""

from __future__ import annotations

import datetime
import os
import subprocess
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, init_dist, is_distributed
from mmengine.model import (
    BaseTTAModel,
    MMDistributedDataParallel,
    is_model_wrapper,
)
from mmengine.registry import MODEL_WRAPPERS
from torch import distributed as torch_dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
DEFAULT_PORT = '29500'
# Where a launcher tells its processes who they are, before any set-up.
RANK_VARIABLES = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


def launched_rank(launcher: str) -> int:
    """Return the rank that the launcher gave this process; 0 without one.

    Args:
        launcher: One of ``LAUNCHERS``.
    """
    if launcher == 'none':
        return 0
    for name in RANK_VARIABLES:
        if name in os.environ:
            return int(os.environ[name])
    return 0


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a model without what distributes it or averages its views.

    Args:
        model: A runner's model.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _slurm_environment() -> dict[str, str]:
    """Return PyTorch's variables from those of Slurm."""
    nodes = os.environ['SLURM_NODELIST']
    names = subprocess.run(
        ['scontrol', 'show', 'hostnames', nodes],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    return {
        'RANK': os.environ['SLURM_PROCID'],
        'WORLD_SIZE': os.environ['SLURM_NTASKS'],
        'LOCAL_RANK': os.environ.get('SLURM_LOCALID', '0'),
        'MASTER_ADDR': os.environ.get('MASTER_ADDR', names[0]),
        'MASTER_PORT': os.environ.get('MASTER_PORT', DEFAULT_PORT),
    }


def _mpi_environment() -> dict[str, str]:
    """Return PyTorch's variables from those of Open MPI."""
    return {
        'RANK': os.environ['OMPI_COMM_WORLD_RANK'],
        'WORLD_SIZE': os.environ['OMPI_COMM_WORLD_SIZE'],
        'LOCAL_RANK': os.environ['OMPI_COMM_WORLD_LOCAL_RANK'],
        'MASTER_ADDR': os.environ.get('MASTER_ADDR', '127.0.0.1'),
        'MASTER_PORT': os.environ.get('MASTER_PORT', DEFAULT_PORT),
    }


def init_gloo(launcher: str, timeout: float = 1800) -> None:
    """Start the process group on CPU; MMEngine then finds it started.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        timeout: Seconds until a process that waits for others gives up.

    Raises:
        ValueError: If the launcher is another, or has not set its variables.
    """
    environments = {
        'pytorch': dict,
        'slurm': _slurm_environment,
        'mpi': _mpi_environment,
    }
    if launcher not in environments:
        raise ValueError(
            f'launcher must be one of {sorted(environments)}, got {launcher!r}'
        )
    try:
        os.environ.update(environments[launcher]())
        rank, size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
    except KeyError as error:
        raise ValueError(
            f'launcher {launcher!r} has not set the environment variable '
            f'{error}; start with tools/dist_train.sh or tools/slurm_train.sh'
        ) from error
    torch_dist.init_process_group(
        'gloo',
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=timeout),
    )


def prepare_distributed(cfg: Config) -> None:
    """Make a config run in several processes where there is no CUDA.

    Starts the gloo group and has the model wrapped by
    :class:`CPUDistributedDataParallel`. Does nothing with one process, or
    with CUDA, where MMEngine's own way (NCCL) is right.

    Args:
        cfg: The config, with ``launcher``; changed in place.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
    if not is_distributed():
        init_gloo(launcher, dist_cfg.get('timeout', 1800))
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    wrapper.setdefault('type', 'CPUDistributedDataParallel')
    wrapper['device_ids'] = None
    if wrapper['type'] == 'CPUDistributedDataParallel':
        wrapper.setdefault('broadcast_buffers', False)
        wrapper.setdefault(
            'find_unused_parameters', cfg.get('find_unused_parameters', False)
        )
        # The runner would convert to torch.nn.SyncBatchNorm.
        wrapper.setdefault('sync_bn', cfg.get('sync_bn') is not None)
        cfg.sync_bn = None
    cfg.model_wrapper_cfg = wrapper


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


def convert_naive_sync_bn(module: nn.Module) -> nn.Module:
    """Return a module whose batch norms share statistics over processes.

    BatchNorm1d and BatchNorm2d become MMDetection3D's NaiveSyncBatchNorm,
    which also works on CPU; parameters and buffers are kept. It assumes that
    all processes have the same batch size.

    Args:
        module: The module; its children are replaced in place.

    Raises:
        ValueError: If a batch norm has no such counterpart.
    """
    # Imports all models of MMDetection3D: only where it is asked for.
    from mmdet3d.models.layers.norm import (
        NaiveSyncBatchNorm1d,
        NaiveSyncBatchNorm2d,
    )

    counterparts = {
        nn.BatchNorm1d: NaiveSyncBatchNorm1d,
        nn.BatchNorm2d: NaiveSyncBatchNorm2d,
    }
    if type(module) in counterparts:
        converted = counterparts[type(module)](
            module.num_features,
            eps=module.eps,
            momentum=module.momentum,
            affine=module.affine,
            track_running_stats=module.track_running_stats,
        )
        # Take over the parameters themselves, as frozen as they are.
        converted._parameters.update(module._parameters)
        converted._buffers.update(module._buffers)
        return converted.train(module.training)
    if isinstance(module, _BatchNorm) and not isinstance(
        module, tuple(counterparts.values())
    ):
        raise ValueError(
            f'sync_bn on CPU knows BatchNorm1d and BatchNorm2d, got '
            f'{type(module).__name__}; train on GPUs, or without sync_bn'
        )
    for name, child in module.named_children():
        module.add_module(name, convert_naive_sync_bn(child))
    return module


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper for several processes on CPU.

    Args:
        module: The model, on CPU.
        sync_bn: Whether batch norms share statistics over the processes.
        device_ids: Ignored; the runner insists on giving it.
        **kwargs: Arguments of PyTorch's DistributedDataParallel.

    Raises:
        ValueError: If the model has layers that only work on GPUs.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        sync_bn: bool = False,
        device_ids: list[int] | None = None,
        **kwargs: Any,
    ) -> None:
        if sync_bn:
            module = convert_naive_sync_bn(module)
        for name, layer in module.named_modules():
            if isinstance(layer, nn.SyncBatchNorm):
                raise ValueError(
                    f'{name} is a torch.nn.SyncBatchNorm, which rejects '
                    'tensors on CPU; use BatchNorm there and train with '
                    '--sync-bn, which chooses what the device can do'
                )
        super().__init__(module, device_ids=None, **kwargs)
