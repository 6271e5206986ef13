"""The learning rate of the published detectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmdet3d_act.engine import ProgressCosineLR
from tests.test_reference.harness import REPO_ROOT, Reference, fixture_params

COVERS = ('detector_lr',)
SCHEDULES = REPO_ROOT / 'configs' / '_base_' / 'schedules'
# The arrays are of halves of epochs.
EPOCH_LENGTH = 2


def rates_in_force(base_lr: float, **settings: float) -> np.ndarray:
    """Return the rate of every step of a training."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base_lr)
    scheduler = ProgressCosineLR.build_iter_from_epoch(
        optimizer, epoch_length=EPOCH_LENGTH, **settings
    )
    rates = []
    for _ in range(scheduler.end + 1):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_rates(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    epochs = arrays['progress'] * meta['max_epoch']
    steps = np.rint(epochs * EPOCH_LENGTH).astype(int)
    np.testing.assert_allclose(steps, epochs * EPOCH_LENGTH, atol=1e-6)
    rates = rates_in_force(
        meta['base_lr'],
        warmup=meta['warm_lr_epochs'],
        end=meta['max_epoch'],
        warmup_lr=meta['warm_lr'],
        eta_min=meta['final_lr'],
    )
    # Stricter than the tolerance; after the last step nothing is set.
    inside = steps < steps.max()
    np.testing.assert_allclose(
        rates[steps[inside]], arrays['lr'][inside], rtol=1e-9
    )
    found = np.where(inside, rates[steps], meta['final_lr'])
    reference.assert_all(name, {'lr': found, 'progress': steps / steps.max()})


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_the_config(reference: Reference, name: str) -> None:
    _, meta = reference.load(name)
    cfg = Config.fromfile(SCHEDULES / '3detr_1080e.py')
    (scheduler,) = cfg.param_scheduler
    assert scheduler.type == 'ProgressCosineLR'
    assert scheduler.convert_to_iter_based
    known = {
        'max_epoch': cfg.train_cfg.max_epochs,
        'warm_lr_epochs': scheduler.warmup,
        'warm_lr': scheduler.warmup_lr,
        'final_lr': scheduler.eta_min,
        'base_lr': cfg.optim_wrapper.optimizer.lr,
        'weight_decay': cfg.optim_wrapper.optimizer.weight_decay,
        'clip_gradient': cfg.optim_wrapper.clip_grad.max_norm,
        # Biases and norms decay too.
        'filter_biases_wd': 'paramwise_cfg' in cfg.optim_wrapper,
    }
    assert scheduler.end == cfg.train_cfg.max_epochs
    assert known == {key: meta[key] for key in known}
