"""How far results may be from golden arrays, and where they are further."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

LOW_TEMPERATURE = re.compile(r'_tau0\.\d+$')


def tolerance(array: str, expected: np.ndarray) -> float:
    """Return the largest absolute difference allowed for an array.

    Args:
        array: Name of the array.
        expected: Its golden values.

    Returns:
        0 for discrete arrays; otherwise the README's figures. Learning rates
        are far below 1, so theirs is relative to their own size.
    """
    if expected.dtype.kind not in 'fc':
        return 0.0
    finite = expected[np.isfinite(expected)]
    peak = float(np.abs(finite).max()) if finite.size else 0.0
    if array.endswith('grad_norm'):
        return 5e-3 * peak
    if array.startswith('lr_') or array == 'lr':
        return 1e-6 * peak
    if array.startswith(('loss', 'train_loss', 'term_loss')):
        return 1e-5 * max(1.0, peak)
    if LOW_TEMPERATURE.search(array):
        return 1e-4 * max(1.0, peak)
    return 2e-5 * max(1.0, peak)


def _to_numpy(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    return np.asarray(value)


def mismatch(array: str, actual: Any, expected: np.ndarray) -> str | None:
    """Say how ``actual`` differs from ``expected``; None where it agrees."""
    actual = _to_numpy(actual)
    if actual.shape != expected.shape:
        return f'{array}: shape {actual.shape}, expected {expected.shape}'
    limit = tolerance(array, expected)
    if expected.dtype.kind not in 'fc':
        wrong = np.asarray(actual != expected)
        if not wrong.any():
            return None
        return (
            f'{array}: {int(wrong.sum())} of {wrong.size} entries differ '
            f'(exact equality is required), {_first(wrong, actual, expected)}'
        )
    actual = actual.astype(np.float64)
    expected = expected.astype(np.float64)
    both_nan = np.isnan(actual) & np.isnan(expected)
    wrong = ~(np.abs(actual - expected) <= limit) & ~both_nan
    wrong &= ~((actual == expected) & np.isinf(expected))
    if array.endswith('grad_norm'):
        wrong |= (actual == -1) != (expected == -1)
    if not wrong.any():
        return None
    worst = np.nanmax(np.abs(actual - expected), initial=0.0)
    return (
        f'{array}: {int(wrong.sum())} of {wrong.size} entries differ, largest '
        f'difference {worst:.3g}, allowed {limit:.3g}, '
        f'{_first(wrong, actual, expected)}'
    )


def _first(wrong: np.ndarray, actual: np.ndarray, expected: np.ndarray) -> str:
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f'first at {where}: got {actual[where]}, want {expected[where]}'
