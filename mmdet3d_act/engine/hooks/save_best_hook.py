"""Compares what decides on the best checkpoint with the validation."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.registry import HOOKS

_ACCURACY = 'overall_accuracy mean_class_accuracy'
_BOXES = r'm(AP|AR)_\d\.\d\d m(AP|AR)_\d\.\d\d_present .+_(AP|rec)_\d\.\d\d'
# Names of results as regular expressions, the means before single classes'.
RESULTS = {
    'ClassificationMetric': f'{_ACCURACY} accuracy/.+',
    'IndoorMetric': r'm(AP|AR)_\d\.\d\d .+_(AP|rec)_\d\.\d\d',
    'LinearProbeMetric': '(svm|knn|few_label)_accuracy few_label_std svm_C',
    'PartSegMetric': (
        'instance_miou class_miou accuracy mean_part_accuracy miou/.+'
    ),
    'PresentIndoorMetric': _BOXES,
    'PublishedIndoorMetric': _BOXES,
    'ReconstructionMetric': '(coarse_)?(chamfer_l[12]|f_score)(/.+)?',
    # Also the IoU of each class, by its name.
    'SegMetric': 'miou acc acc_cls .+',
    'SemanticSegMetric': f'miou {_ACCURACY} iou/.+',
}


@HOOKS.register_module()
class SaveBestCheckHook(Hook):
    """Refuses a ``save_best`` that no metric of the validation gives.

    MMEngine finds out at the first validation, which may be hours later.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the names before the first step.

        Raises:
            UsageError: If no metric has a result of a name.
        """
        if runner.val_loop is None:
            return
        metrics = runner.val_loop.evaluator.metrics
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook) and hook.save_best:
                require_results(hook.key_indicators, metrics)


def require_results(
    names: Iterable[str], metrics: Iterable[BaseMetric]
) -> None:
    """Refuse names that are no results of metrics.

    Args:
        names: Names, ``'auto'`` for any.
        metrics: The metrics; those of others may give any name.

    Raises:
        UsageError: If no metric has such a result.
    """
    patterns = []
    for metric in metrics:
        start = f'{metric.prefix}/' if metric.prefix else ''
        known = RESULTS.get(type(metric).__name__, '.+').split()
        patterns += [re.escape(start) + pattern for pattern in known]
    for name in names:
        if name == 'auto' or any(re.fullmatch(p, name) for p in patterns):
            continue
        raise UsageError(
            f'save_best={name!r} is no result of the validation; its results '
            f'are (as regular expressions) {", ".join(patterns)}'
        )
