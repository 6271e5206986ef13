"""Metrics of several trainings: best and last epoch, mean and deviation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

LOWER_IS_BETTER = ('loss', 'error', 'chamfer', 'distance')


class Spread(NamedTuple):
    """Mean and deviation of a number over runs.

    Attributes:
        mean: The mean.
        std: Standard deviation with n - 1; nan for a single run.
        count: Number of runs.
    """

    mean: float
    std: float
    count: int

    def __str__(self) -> str:
        """Return ``mean ± std`` with two decimals, or four digits below 1."""
        style = '.2f' if abs(self.mean) >= 1 or self.mean == 0 else '.4g'
        text = format(self.mean, style)
        return text if self.count < 2 else f'{text} ± {self.std:{style}}'


class BestAndLast(NamedTuple):
    """What a training reached.

    Attributes:
        best: Its validation with the best value of a metric, the first of
            equals: ``epoch``, ``iter`` and ``metrics``.
        last: Its last validation.
    """

    best: dict
    last: dict


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of a number over runs.

    Args:
        values: One number a run, at least one.

    Raises:
        ValueError: If there is none.

    Example:
        >>> str(spread([90.0, 92.0]))
        '91.00 ± 1.41'
    """
    if not values:
        raise ValueError('expected the values of at least one run, got none')
    deviation = stdev(values) if len(values) > 1 else math.nan
    return Spread(fmean(values), deviation, len(values))


def higher_is_better(metric: str, rule: str | None = None) -> bool:
    """Return whether more is better.

    Args:
        metric: Name of a metric. Losses, errors and distances are better
            when they are lower.
        rule: 'greater' or 'less' where the name does not say it, as in
            MMEngine's `CheckpointHook`.
    """
    if rule is not None:
        return rule == 'greater'
    return not any(word in metric.lower() for word in LOWER_IS_BETTER)


def best_and_last(
    records: Sequence[Mapping], metric: str, *, higher: bool = True
) -> BestAndLast:
    """Return the best and the last validation of a training.

    Args:
        records: Validations in the order of the training, each with
            ``epoch``, ``iter`` and ``metrics``.
        metric: What decides.
        higher: Whether more is better.

    Raises:
        ValueError: If there is no validation, or the metric is not in it or
            never a number.
    """
    if not records:
        raise ValueError(
            'the training was never validated; its config needs '
            'val_dataloader, val_evaluator, val_cfg and a val_interval within '
            'its epochs'
        )
    last = records[-1]
    _value(last, metric)
    valid = [
        record
        for record in records
        if not math.isnan(record['metrics'].get(metric, math.nan))
    ]
    if not valid:
        raise ValueError(f'the metric {metric!r} is nan in every validation')
    sign = 1 if higher else -1
    best = max(valid, key=lambda record: sign * record['metrics'][metric])
    return BestAndLast(dict(best), dict(last))


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
        """Return it as JSON holds it; without a deviation that is None."""
        both = [self.last._asdict(), self.best._asdict()]
        for one in both:
            one['std'] = None if math.isnan(one['std']) else one['std']
        return dict(self._asdict(), last=both[0], best=both[1])


def common_metrics(runs: Sequence[Sequence[Mapping]]) -> list[str]:
    """Return the metrics that every validation gives, in their order.

    Others come and go: of a class that does not occur a detector's metric
    says something only where it is detected.

    Args:
        runs: Validations of each run, see :func:`best_and_last`.
    """
    records = [record['metrics'] for run in runs for record in run]
    return [
        name
        for name in (records[0] if records else ())
        if all(name in one for one in records)
    ]


def outcomes(
    runs: Sequence[Sequence[Mapping]],
    metrics: Sequence[str] | None = None,
    rule: str | None = None,
) -> list[Outcome]:
    """Return what some runs reached, one entry for each metric.

    Args:
        runs: Validations of each run, see :func:`best_and_last`.
        metrics: Names of metrics. The first one chooses each run's best
            epoch, at which the others are taken too. None: those that every
            validation gives, in the order in which they were recorded.
        rule: Which values of the first metric are better, see
            :func:`higher_is_better`.

    Raises:
        ValueError: If there is no run, or one of them has no such metric.
    """
    if not runs:
        raise ValueError('expected at least one run, got none')
    metrics = metrics or common_metrics(runs) or ['']
    higher = higher_is_better(metrics[0], rule)
    reached = [best_and_last(run, metrics[0], higher=higher) for run in runs]
    return [_outcome(metric, reached) for metric in metrics]


def _outcome(metric: str, reached: Sequence[BestAndLast]) -> Outcome:
    last = [_value(run.last, metric) for run in reached]
    best = [_value(run.best, metric) for run in reached]
    epochs = [run.best['epoch'] for run in reached]
    return Outcome(metric, spread(last), spread(best), last, best, epochs)


def _value(record: Mapping, metric: str) -> float:
    """Return a metric of a validation.

    Raises:
        ValueError: If it has none of that name.
    """
    metrics = record['metrics']
    if metric not in metrics:
        known = ', '.join(sorted(metrics)) or 'no number at all'
        raise ValueError(
            f'no metric {metric!r} in the validation, it gives: {known}; '
            'choose one of these'
        )
    return metrics[metric]


def markdown_table(rows: Sequence[Sequence[object]]) -> str:
    """Return a markdown table.

    Args:
        rows: The head, then the rows, all of the same length.
    """
    head, *body = [[_escaped(cell) for cell in row] for row in rows]
    lines = [head, ['---'] * len(head), *body]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _escaped(cell: object) -> str:
    return str(cell).replace('|', '\\|').replace('\n', ' ')
