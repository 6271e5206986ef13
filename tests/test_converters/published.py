"""Checkpoint files as they are published, with made-up weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.test_reference import harness


def shapes(name: str) -> dict[str, list[int]]:
    """Return the official names and shapes of a full-size network."""
    folders = (harness.chosen_folder(), harness.DEFAULT_FOLDERS[-1])
    paths = [folder / 'keys' / f'{name}.json' for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip(f'{name}.json is in none of the folders')
    return harness.read_json(path)


def hollow(name: str) -> dict[str, Tensor]:
    """Return a state dict of full size that takes no memory: all zeros."""
    return {
        key: torch.zeros((), dtype=_dtype(key)).expand(shape)
        for key, shape in shapes(name).items()
    }


def values(sizes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """Return official names and values that depend on name and shape."""
    return dict(harness.current().weight_rule().make_state_dict(sizes))


def write(
    path: Path,
    state: Mapping[str, Tensor],
    wrapper: str = 'base_model',
    prefix: str = 'module.',
) -> Path:
    """Write a file with all that released ones hold beside the weights."""
    arguments = argparse.Namespace(
        config='cfgs/pretrain.yaml', seed=0, lr=np.float64(1e-3), ckpts=None
    )
    torch.save(
        {
            wrapper: {prefix + key: value for key, value in state.items()},
            'optimizer': {
                'state': {0: {'exp_avg': torch.zeros(2)}},
                'param_groups': [{'lr': np.float64(5e-4), 'params': [0]}],
            },
            'epoch': 300,
            'metrics': {'acc': np.float32(92.5)},
            'best_metrics': {'acc': np.float64(93.1), 'seen': np.int64(7)},
            'args': arguments,
        },
        path,
    )
    return path


def _dtype(name: str) -> torch.dtype:
    integer = name.endswith(('num_batches_tracked', 'queue_ptr'))
    return torch.int64 if integer else torch.float32
