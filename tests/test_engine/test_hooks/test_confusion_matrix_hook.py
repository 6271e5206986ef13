"""When the confusion matrix is written, and of what."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.runner import BaseLoop

from mmdet3d_act.engine.hooks import ConfusionMatrixHook
from mmdet3d_act.registry import HOOKS


class Epochs(BaseLoop):
    """As much of a training loop as the hook looks at."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.max_epochs = epoch, 3

    def run(self) -> None:
        """Not needed."""


def runner(folder: Path, train_loop: object = None) -> SimpleNamespace:
    metrics = [
        SimpleNamespace(),
        SimpleNamespace(confusion=None, classes=()),
        SimpleNamespace(confusion=np.eye(2, dtype=int), classes=('a', 'b')),
    ]
    loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics))
    return SimpleNamespace(
        work_dir=str(folder),
        test_loop=loop,
        val_loop=loop,
        _train_loop=train_loop,
    )


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_after_a_test(tmp_path: Path) -> None:
    hook = HOOKS.build(dict(type='ConfusionMatrixHook'))
    assert isinstance(hook, ConfusionMatrixHook)
    hook.after_test_epoch(runner(tmp_path))
    assert written(tmp_path) == [
        'confusion_matrix_test.csv',
        'confusion_matrix_test.png',
    ]
    text = (tmp_path / 'confusion_matrix_test.csv').read_text()
    assert text.splitlines()[1:] == ['a,1,0', 'b,0,1']


@pytest.mark.parametrize(
    ('loop', 'expected'),
    [
        (Epochs(2), []),
        (Epochs(3), ['confusion_matrix_val.csv', 'confusion_matrix_val.png']),
        # A validation without a training: the config, not yet a loop.
        (dict(max_epochs=3), []),
    ],
)
def test_after_the_last_validation(tmp_path: Path, loop, expected) -> None:
    ConfusionMatrixHook().after_val_epoch(runner(tmp_path, loop))
    assert written(tmp_path) == expected
