"""Makes up for a validation that a kill fell into."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform

NOTE = 'last_validation.json'


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Runs the validation that a resumed training had not finished.

    A checkpoint is saved before the validation of its epoch; MMEngine goes on
    after it, so that metrics and perhaps the best checkpoint would be
    missing. ``last_validation.json`` in the work directory notes what is
    validated.
    """

    # After the hook that saves the best checkpoint is ready.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._trains = False

    def before_train(self, runner: Runner) -> None:
        """Validate where it is due and not noted as done."""
        self._trains = True
        if not runner.iter or not _is_due(runner):
            return
        # The folder of the first process counts.
        done = [self._is_done(runner)]
        broadcast_object_list(done)
        if not done[0]:
            inform(
                f'the validation after iteration {runner.iter} was not '
                'finished: it is done first'
            )
            runner.val_loop.run()

    def after_val_epoch(
        self, runner: Runner, metrics: dict | None = None
    ) -> None:
        """Note what is validated."""
        if self._trains and is_main_process():
            note = dict(epoch=runner.epoch, iter=runner.iter)
            path = Path(runner.work_dir, NOTE)
            path.write_text(json.dumps(note), encoding='utf-8')

    @staticmethod
    def _is_done(runner: Runner) -> bool:
        try:
            note = json.loads(Path(runner.work_dir, NOTE).read_bytes())
            return bool(note['iter'] >= runner.iter)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def _is_due(runner: Runner) -> bool:
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    if isinstance(loop, EpochBasedTrainLoop):
        step, last = loop.epoch, loop.max_epochs
        if loop.iter != step * len(loop.dataloader):
            # In the middle of an epoch.
            return False
    else:
        step, last = loop.iter, loop.max_iters
    reached = step >= loop.val_begin
    return reached and (step % loop.val_interval == 0 or step == last)
