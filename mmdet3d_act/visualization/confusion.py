"""Confusion matrices, as pictures and as tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .arrays import prepare_path

# Beyond so many classes the cells are too small for numbers.
_NUMBERED = 20


def draw_confusion(
    counts: np.ndarray, classes: Sequence[str], path: str | Path
) -> Path:
    """Write a confusion matrix as a PNG and return its path.

    Cells are coloured by the share of their row. Classes without a sample
    and without a prediction are left out.

    Args:
        counts: (C, C), rows true, columns predicted.
        classes: C names.
        path: The file, ending in .png; its folder is made.

    Raises:
        ValueError: If the matrix and the names do not fit.
    """
    counts = _checked(counts, classes)
    # Not pyplot, which would choose a backend for the whole process.
    from matplotlib.figure import Figure

    out = prepare_path(path, '.png')
    used = np.flatnonzero(counts.sum(0) + counts.sum(1))
    left_out = len(classes) - len(used)
    counts = counts[np.ix_(used, used)]
    classes = [classes[index] for index in used]
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    side = 2.5 + 0.3 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout='constrained')
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(image, label='share of the true class', shrink=0.6)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=90, fontsize=8)
    axes.set_yticks(ticks, classes, fontsize=8)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    right = int(np.trace(counts))
    share = 100 * right / max(int(counts.sum()), 1)
    title = f'{right} of {int(counts.sum())} right ({share:.2f} %)'
    if left_out:
        title += f'\n{left_out} classes that do not occur'
    axes.set_title(title, fontsize=10)
    if len(classes) <= _NUMBERED:
        for row, column in np.argwhere(counts > 0):
            ink = 'white' if shares[row, column] > 0.5 else 'black'
            axes.text(
                column, row, str(counts[row, column]), color=ink,
                ha='center', va='center', fontsize=8,
            )  # fmt: skip
    figure.savefig(out, dpi=120)
    return out


def write_confusion(
    counts: np.ndarray, classes: Sequence[str], path: str | Path
) -> Path:
    """Write a confusion matrix as a table and return its path.

    The first row has the predicted classes, the first column the true ones.

    Args:
        counts: (C, C), rows true, columns predicted.
        classes: C names.
        path: The file, ending in .csv; its folder is made.

    Raises:
        ValueError: If the matrix and the names do not fit.
    """
    counts = _checked(counts, classes)
    out = prepare_path(path, '.csv')
    with out.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['true / predicted', *classes])
        for name, row in zip(classes, counts.tolist(), strict=True):
            writer.writerow([name, *row])
    return out


def _checked(counts: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(
            f'counts must be ({len(classes)}, {len(classes)}) for '
            f'{len(classes)} classes, got {counts.shape}'
        )
    return counts
