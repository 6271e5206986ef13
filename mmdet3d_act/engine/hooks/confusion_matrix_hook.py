"""Files that tell which classes are mistaken for which."""

from __future__ import annotations

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform

NAME = 'confusion_matrix'


@HOOKS.register_module()
class ConfusionMatrixHook(Hook):
    """Writes the confusion matrix of a test, and of a training's last epoch.

    It takes the counts of a metric that has them
    (:class:`~mmdet3d_act.evaluation.ClassificationMetric`), and writes
    ``confusion_matrix_test.png`` and ``.csv``, or ``confusion_matrix_val``,
    into the work directory.

    Example:
        >>> custom_hooks = [dict(type='ConfusionMatrixHook')]
    """

    priority = 'LOW'

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the matrix after the last validation of a training."""
        loop = runner._train_loop
        if isinstance(loop, BaseLoop) and loop.epoch >= loop.max_epochs:
            self._write(runner, runner.val_loop.evaluator, 'val')

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the matrix."""
        self._write(runner, runner.test_loop.evaluator, 'test')

    def _write(self, runner: Runner, evaluator: Evaluator, part: str) -> None:
        if not is_main_process():
            return
        # Drawing needs what other trainings should not wait for.
        from mmdet3d_act.visualization import draw_confusion, write_confusion

        for metric in evaluator.metrics:
            counts = getattr(metric, 'confusion', None)
            if counts is None:
                continue
            path = Path(runner.work_dir) / f'{NAME}_{part}'
            write_confusion(counts, metric.classes, f'{path}.csv')
            draw_confusion(counts, metric.classes, f'{path}.png')
            inform(f'confusion matrix: {path}.png, {path.name}.csv')
