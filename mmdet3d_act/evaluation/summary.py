"""Metrics of several runs: best and last epoch, mean, deviation, interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from scipy import stats

LOWER_IS_BETTER = ('loss', 'error', 'chamfer', 'distance')


class Spread(NamedTuple):
    """Mean and deviation of a number over runs.

    Attributes:
        mean: The mean.
        std: Standard deviation with n - 1; None for a single run.
    """

    mean: float
    std: float | None

    def __str__(self) -> str:
        """Format as ``mean ± std``: two decimals, or four digits below 1."""
        style = '.2f' if abs(self.mean) >= 1 or self.mean == 0 else '.4g'
        text = format(self.mean, style)
        return text if self.std is None else f'{text} ± {self.std:{style}}'


def spread(values: Sequence[float]) -> Spread:
    """Compute mean and deviation of a number over runs.

    Args:
        values: One number a run, at least one.

    Example:
        >>> str(spread([90.0, 92.0]))
        '91.00 ± 1.41'
    """
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def interval(values: Sequence[float]) -> float | None:
    """Compute half the 95 % interval of a mean, by Student's t.

    Args:
        values: One number a run.

    Returns:
        None for a single run.
    """
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


class Outcome(NamedTuple):
    """A metric of a number of runs.

    Attributes:
        metric: Its name.
        last: Over the runs' last epochs.
        best: Over the runs' best epochs.
        values_last: Of each run.
        values_best: Of each run.
        best_epochs: Of each run.
    """

    metric: str
    last: Spread
    best: Spread
    values_last: list[float]
    values_best: list[float]
    best_epochs: list[int]

    def to_dict(self) -> dict:
        """Convert it to what JSON can hold."""
        last, best = self.last._asdict(), self.best._asdict()
        return dict(self._asdict(), last=last, best=best)


def summarize(
    runs: Sequence[Sequence[Mapping]],
    metrics: Sequence[str] | None = None,
    rule: str | None = None,
) -> list[Outcome]:
    """Summarize the validations of some runs, one entry for each metric.

    Args:
        runs: Validations of each run in their order, each with ``epoch`` and
            ``metrics``.
        metrics: Names of metrics. The first one chooses each run's best
            epoch, at which the others are taken too. None: those that every
            validation has, in the order in which they were recorded.
        rule: 'greater' or 'less' says which values of the first metric are
            better; None takes less for losses, errors and distances.

    Raises:
        ValueError: If a run was never validated, lacks a metric, or its
            first metric is never a number.
    """
    if not all(runs):
        raise ValueError(
            'a run was never validated; check val_interval in its train_cfg'
        )
    common = common_metrics(runs)
    chosen = list(metrics or common)
    absent = [name for name in chosen if name not in common]
    if absent or not chosen:
        raise ValueError(
            f'no metric {absent[0] if absent else ""!r} in all validations; '
            f'they have {", ".join(common)}'
        )
    is_error = any(word in chosen[0].lower() for word in LOWER_IS_BETTER)
    less = rule == 'less' if rule else is_error
    sign = -1 if less else 1
    best, last = [], []
    for run in runs:
        valid = [v for v in run if not math.isnan(v['metrics'][chosen[0]])]
        if not valid:
            raise ValueError(f'{chosen[0]!r} is nan in every validation')
        best.append(max(valid, key=lambda v: sign * v['metrics'][chosen[0]]))
        last.append(run[-1])
    epochs = [one['epoch'] for one in best]
    outcomes = []
    for name in chosen:
        at_last = [one['metrics'][name] for one in last]
        at_best = [one['metrics'][name] for one in best]
        both = spread(at_last), spread(at_best)
        outcomes.append(Outcome(name, *both, at_last, at_best, epochs))
    return outcomes


def common_metrics(runs: Sequence[Sequence[Mapping]]) -> list[str]:
    """List the metrics that every validation has, in their order.

    Others come and go: of a class that does not occur a detector's metric
    says something only where it is detected.

    Args:
        runs: Validations of each run, see :func:`summarize`.
    """
    records = [one['metrics'] for run in runs for one in run]
    return [
        name
        for name in (records[0] if records else ())
        if all(name in one for one in records)
    ]


def markdown_table(rows: Sequence[Sequence[object]]) -> str:
    """Format a markdown table.

    Args:
        rows: The head, then the rows, all of the same length.
    """
    head, *body = [
        [str(cell).replace('|', '\\|').replace('\n', ' ') for cell in row]
        for row in rows
    ]
    lines = [head, ['---'] * len(head), *body]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
