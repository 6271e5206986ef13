"""The validation metrics of every epoch, in a file beside the checkpoints."""

from __future__ import annotations

import json
import numbers
from collections.abc import Mapping
from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner

from mmdet3d_act.files import write_json
from mmdet3d_act.registry import HOOKS

HISTORY_FILE = 'metric_history.json'


@HOOKS.register_module()
class MetricHistoryHook(Hook):
    """Keeps the metrics of every validation of a training.

    They go to ``metric_history.json`` of the work directory, beside the
    number of training samples. A training that was killed after a checkpoint
    and before its validation makes up for the validation when it is resumed,
    so that the file of a finished training is complete.

    Example:
        >>> custom_hooks = [dict(type='MetricHistoryHook')]
    """

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        """Begin the file, or complete that of a resumed training.

        Args:
            runner: The runner of the training.
        """
        loop = runner.train_loop
        path = Path(runner.work_dir) / HISTORY_FILE
        # What was validated after the checkpoint will be validated again.
        records = [
            record
            for record in read_history(path)['records']
            if record['iter'] <= runner.iter
        ]
        samples = len(getattr(loop.dataloader, 'dataset', ()))
        if is_main_process():
            write_json(path, dict(num_train=samples, records=records))
        known = {record['iter'] for record in records}
        # Processes of other machines may not see the file.
        missed = [_is_due(runner) and runner.iter not in known]
        broadcast_object_list(missed)
        if missed[0]:
            runner.val_loop.run()

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Keep the metrics.

        Args:
            runner: The runner of the training.
            metrics: What the evaluator found; what is not a number is left
                out.
        """
        training = isinstance(runner._train_loop, BaseLoop)
        if not training or not is_main_process():
            return
        path = Path(runner.work_dir) / HISTORY_FILE
        history = read_history(path)
        record = dict(
            epoch=runner.epoch,
            iter=runner.iter,
            metrics=scalars(metrics or {}),
        )
        others = [r for r in history['records'] if r['iter'] != runner.iter]
        history['records'] = sorted(
            [*others, record], key=lambda one: one['iter']
        )
        write_json(path, history)


def _is_due(runner: Runner) -> bool:
    """Return whether the last finished epoch is one that is validated."""
    loop = runner.train_loop
    if runner.val_loop is None or runner.iter == 0:
        return False
    by_iter = isinstance(loop, IterBasedTrainLoop)
    done, end = (
        (loop.iter, loop.max_iters)
        if by_iter
        else (loop.epoch, loop.max_epochs)
    )
    every = done % loop.val_interval == 0
    return done >= loop.val_begin and (every or done >= end)


def scalars(metrics: Mapping) -> dict[str, float]:
    """Return the entries of a mapping that are single numbers.

    Args:
        metrics: Names and values of any kind.
    """
    found = {}
    for name, value in metrics.items():
        single = getattr(value, 'ndim', None) == 0 and hasattr(value, 'item')
        number = value.item() if single else value
        if isinstance(number, numbers.Real):
            found[name] = float(number)
    return found


def read_history(path: str | Path) -> dict:
    """Return what a history file holds; no records where there is none.

    Args:
        path: The file.

    Returns:
        ``num_train``, and ``records`` in the order of the training, each with
        ``epoch``, ``iter`` and ``metrics``.
    """
    path = Path(path)
    if not path.is_file():
        return dict(num_train=None, records=[])
    return json.loads(path.read_text(encoding='utf-8'))
