"""Temperature, KL weight, learning rates as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch import nn

from mmdet3d_act.engine import (
    CosineRamp,
    ProgressCosineLR,
    ReleasedCosineLR,
    ScheduledValueHook,
    released_cosine_lr,
)
from tests.test_reference.harness import REPO_ROOT, Reference, fixture_params

COVERS = ('schedules', 'detector_lr')
SCHEDULES = REPO_ROOT / 'configs' / '_base_' / 'schedules'

# lr_value_X[e] is a scheduler's value, lr_during_epoch_X[e] what is in force.
VALUE, DURING = 'lr_value_', 'lr_during_epoch_'
# Temperature and weight of the KL divergence: the ends of ACT's ramps.
ENDS = {'temperature': (1.0, 0.0625), 'kl_weight': (0.0, 0.1)}


def ramp_of(
    iterations: np.ndarray, values: np.ndarray, ends: tuple[float, float]
) -> CosineRamp:
    """Return the ramp that the values lie on.

    Args:
        iterations: At which the values were recorded.
        values: Between the ends, the angles of the cosine lie on a straight
            line, which gives length and wait.
        ends: Where the published ramp starts and ends: the recorded values
            may begin and stop in the middle.
    """
    start, end = ends
    inside = (values != start) & (values != end)
    angles = np.arccos(2 * (values[inside] - end) / (start - end) - 1)
    slope, offset = np.polyfit(iterations[inside], angles, 1)
    return CosineRamp(
        start, end, round(np.pi / slope), abs(round(offset / slope))
    )


@pytest.mark.parametrize('name', fixture_params('schedules'))
@pytest.mark.parametrize('array', ENDS)
def test_scheduled_values(reference: Reference, name: str, array: str) -> None:
    arrays, _ = reference.load(name)
    iterations = arrays['iterations']
    ramp = ramp_of(iterations, arrays[array], ENDS[array])
    ramp = ScheduledValueHook(array, ramp._asdict()).ramp()
    found = np.array([ramp.value(int(step)) for step in iterations])
    np.testing.assert_allclose(found, arrays[array], rtol=1e-12, atol=1e-15)
    reference.assert_matches(name, array, found)


def schedule_arguments(values: np.ndarray) -> tuple[float, dict]:
    """Return the base rate and the arguments behind a scheduler's values.

    Warm-up: a straight line, which ends where its steps change. Cosine: of
    the total progress, known from two of its values once its length is; that
    is the number of rows, or one less where the last epoch counts.
    """
    steps = np.diff(values)
    even = np.isclose(steps, steps[0], rtol=1e-6, atol=0)
    warmup = int(np.argmin(even)) + 1
    if steps[warmup - 1] < 0:
        warmup = int(np.argmax(steps < 0)) + 1
    base = values[0] + steps[0] * warmup
    errors = {}
    for length in (len(values), len(values) - 1):
        weight = (1 + np.cos(np.pi * (len(values) - 1) / length)) / 2
        eta_min = (values[-1] - base * weight) / (1 - weight)
        arguments = dict(
            num_epochs=length,
            warmup_epochs=warmup,
            warmup_lr=float(values[0]),
            eta_min=float(eta_min),
        )
        found = [
            released_cosine_lr(epoch, base, **arguments)
            for epoch in range(len(values))
        ]
        errors[float(np.abs(found - values).max())] = arguments
    return float(base), errors[min(errors)]


def optimizer_of(base_lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base_lr)


def rates_in_force(
    optimizer: torch.optim.Optimizer, scheduler: _ParamScheduler, number: int
) -> list[float]:
    """Collect the optimiser's rate during each epoch, or step."""
    rates = []
    for _ in range(number):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return rates


def released_rates(base: float, arguments: dict, epochs: int) -> list[float]:
    optimizer = optimizer_of(base)
    scheduler = ReleasedCosineLR(optimizer, **arguments)
    return rates_in_force(optimizer, scheduler, epochs)


@pytest.mark.parametrize('name', fixture_params('schedules'))
def test_learning_rates(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    names = [key[len(VALUE) :] for key in arrays if key.startswith(VALUE)]
    results = {}
    for row in names:
        values = arrays[VALUE + row]
        base, arguments = schedule_arguments(values)
        if row in meta['rows']:
            base, epochs, warmup, count = meta['rows'][row]
            arguments.update(num_epochs=epochs, warmup_epochs=warmup)
            assert count == len(values)
        results[VALUE + row] = np.array(
            [
                released_cosine_lr(e, base, **arguments)
                for e in range(len(values))
            ]
        )
        results[DURING + row] = np.array(
            released_rates(base, arguments, len(values))
        )
        # Stricter than the tolerance, which is relative to the largest rate.
        for array in (VALUE + row, DURING + row):
            np.testing.assert_allclose(
                results[array], arrays[array], rtol=1e-9, err_msg=array
            )
    reference.assert_all(name, results, elsewhere=('temperature', 'kl_weight'))


@pytest.mark.parametrize('name', fixture_params('schedules'))
@pytest.mark.parametrize(
    ('config', 'row'),
    [
        ('act_dvae_300e', 'stage1'),
        ('act_pretrain_300e', 'stage2'),
        ('finetune_300e', 'finetune_full'),
        ('partseg_300e', 'partseg'),
        ('semseg_60e', 's3dis'),
    ],
)
def test_released_schedule_of_the_configs(
    reference: Reference, name: str, config: str, row: str
) -> None:
    arrays, meta = reference.load(name)
    if DURING + row not in arrays:
        pytest.skip(f'{name} has no row {row}')
    wanted = arrays[DURING + row]
    cfg = Config.fromfile(SCHEDULES / f'{config}_released.py')
    (scheduler,) = cfg.param_scheduler
    arguments = {k: v for k, v in scheduler.items() if k != 'type'}
    if row in meta['rows']:
        base, epochs, warmup, count = meta['rows'][row]
        assert count == len(wanted)
    else:
        base, known = schedule_arguments(arrays[VALUE + row])
        epochs, warmup = known['num_epochs'], known['warmup_epochs']
    if epochs != cfg.max_epochs:
        pytest.skip(f'{name} is of {epochs} epochs, {config} of others')
    assert scheduler.type == ReleasedCosineLR.__name__
    assert (cfg.base_lr, cfg.warmup_epochs) == (pytest.approx(base), warmup)
    assert cfg.train_cfg.max_epochs == len(wanted)
    found = released_rates(cfg.base_lr, arguments, len(wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


# The arrays are of halves of epochs.
EPOCH_LENGTH = 2


@pytest.mark.parametrize('name', fixture_params('detector_lr'))
def test_rates_of_detectors(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    epochs = arrays['progress'] * meta['max_epoch']
    steps = np.rint(epochs * EPOCH_LENGTH).astype(int)
    np.testing.assert_allclose(steps, epochs * EPOCH_LENGTH, atol=1e-6)
    optimizer = optimizer_of(meta['base_lr'])
    scheduler = ProgressCosineLR.build_iter_from_epoch(
        optimizer,
        epoch_length=EPOCH_LENGTH,
        warmup=meta['warm_lr_epochs'],
        end=meta['max_epoch'],
        warmup_lr=meta['warm_lr'],
        eta_min=meta['final_lr'],
    )
    rates = np.array(rates_in_force(optimizer, scheduler, scheduler.end + 1))
    # Stricter than the tolerance; after the last step nothing is set.
    inside = steps < steps.max()
    np.testing.assert_allclose(
        rates[steps[inside]], arrays['lr'][inside], rtol=1e-9
    )
    found = np.where(inside, rates[steps], meta['final_lr'])
    reference.assert_all(name, {'lr': found, 'progress': steps / steps.max()})


@pytest.mark.parametrize('name', fixture_params('detector_lr'))
def test_the_config_of_detectors(reference: Reference, name: str) -> None:
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
