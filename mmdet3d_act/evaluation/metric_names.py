"""What an evaluator will give, known before anything is evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from mmdet3d_act.registry import METRICS, registered_classes


def result_names(evaluator: Mapping | Sequence) -> list[str] | None:
    """Return the names of an evaluator's results.

    A metric of which it can be told says them in its ``result_names``.

    Args:
        evaluator: Config of a metric, of several, or of an `Evaluator`.

    Returns:
        Patterns, in which ``*`` stands for names that the data have, such as
        those of classes; None where a metric cannot say its results.

    Example:
        >>> result_names(dict(type='ClassificationMetric', prefix='val'))
        ['val/overall_accuracy', 'val/mean_class_accuracy']
    """
    if isinstance(evaluator, Mapping) and 'metrics' in evaluator:
        evaluator = evaluator['metrics']
    each = [evaluator] if isinstance(evaluator, Mapping) else evaluator
    found = []
    for cfg in each:
        if not any(
            hasattr(cls, 'result_names')
            for cls in registered_classes(cfg['type'])
        ):
            return None
        metric = METRICS.build(cfg)
        start = f'{metric.prefix}/' if metric.prefix else ''
        found += [f'{start}{name}' for name in metric.result_names]
    return found


def unknown_names(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return which names no pattern fits.

    Args:
        wanted: Names of results.
        known: From :func:`result_names`.

    Example:
        >>> unknown_names(['accuracy/cup', 'miou'], ['accuracy/*'])
        ['miou']
    """
    known = list(known)
    return [
        name
        for name in wanted
        if not any(fnmatchcase(name, pattern) for pattern in known)
    ]
