"""Classes: data against head, weights of the loss, confusion matrices."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.runner import BaseLoop
from torch import nn

from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.hooks import (
    ClassCheckHook,
    ClassWeightHook,
    ConfusionMatrixHook,
)
from mmdet3d_act.models.heads import SemanticSegHead

ABC = ('a', 'b', 'c')


def loader_of(dataset: object) -> SimpleNamespace:
    return SimpleNamespace(dataset=dataset)


def runner_of(
    outputs: int | None, train: tuple[str, ...], val: tuple[str, ...] = ()
) -> SimpleNamespace:
    model = nn.Module()
    if outputs is not None:
        model.head = nn.Module()
        model.head.num_classes = outputs
    train_data, val_data = (
        loader_of(SimpleNamespace(metainfo=dict(classes=names)))
        for names in (train, val)
    )
    return SimpleNamespace(
        model=model,
        iter=0,
        train_dataloader=train_data,
        val_dataloader=val_data,
        test_dataloader=train_data,
        val_loop='loop' if val else None,
    )


@pytest.mark.parametrize(
    ('outputs', 'val'), [(3, ABC), (3, ()), (40, ABC), (None, ('other',))]
)
def test_classes_that_agree_or_do_not_matter(outputs, val) -> None:
    runner = runner_of(outputs, ABC, val)
    ClassCheckHook().before_train(runner)
    ClassCheckHook().before_test(runner)


@pytest.mark.parametrize(
    ('outputs', 'val', 'offender'),
    [
        (2, (), 'the head has 2 classes .*, the training data 3: a, b, c'),
        (6, tuple('abcdef'), r'training: a, b, c; validation: a, .*, \.\.\.'),
    ],
)
def test_classes_that_cannot_be_right(outputs, val, offender) -> None:
    with pytest.raises(UsageError, match=offender):
        ClassCheckHook().before_train(runner_of(outputs, ABC, val))


@pytest.mark.parametrize(
    ('classes', 'offender'),
    [
        (('a', 'c', 'b'), 'label 1 is c in the checkpoint and b'),
        (('a', 'b'), 'label 2 is no class'),
        ((), None),
    ],
)
def test_classes_of_the_checkpoint(classes, offender) -> None:
    hook, runner = ClassCheckHook(), runner_of(3, ABC)
    meta = dict(dataset_meta=dict(classes=classes))
    hook.after_load_checkpoint(runner, dict(meta=meta))
    # Weights to start from are of any classes.
    hook.before_train(runner)
    runner.iter = 5
    for check in (hook.before_train, hook.before_test):
        hook.after_load_checkpoint(runner, dict(meta=meta))
        if offender is None:
            check(runner)
            continue
        with pytest.raises(UsageError, match=offender):
            check(runner)


class Weighed:
    """A data set that knows its classes' weights."""

    def class_weights(self) -> list[float]:
        return [1.0, 2.5, 0.0]


@pytest.mark.parametrize('wraps', [0, 2])
def test_the_head_gets_the_weights_of_the_classes(wraps: int) -> None:
    dataset = Weighed()
    for _ in range(wraps):
        dataset = SimpleNamespace(dataset=dataset)
    model = nn.Module()
    model.decode_head = SemanticSegHead(
        3, in_channels=4, propagation_channels=(4,), channels=(4, 4)
    )
    runner = SimpleNamespace(model=model, train_dataloader=loader_of(dataset))
    ClassWeightHook().before_train(runner)
    assert model.decode_head.class_weight.tolist() == [1.0, 2.5, 0.0]
    runner.train_dataloader = loader_of(3)
    with pytest.raises(ValueError, match='got int'):
        ClassWeightHook().before_train(runner)


class Epochs(BaseLoop):
    """As much of a training loop as the hook looks at."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.max_epochs = epoch, 3

    def run(self) -> None:
        """Not needed."""


@pytest.mark.parametrize(
    ('part', 'loop', 'writes'),
    [
        ('test', None, True),
        ('val', Epochs(2), False),
        ('val', Epochs(3), True),
        # A validation without a training: the config, not yet a loop.
        ('val', dict(max_epochs=3), False),
    ],
)
def test_confusion_after_a_test_and_the_last_validation(
    tmp_path: Path, part: str, loop: object, writes: bool
) -> None:
    metrics = [
        SimpleNamespace(),
        SimpleNamespace(confusion=None, classes=()),
        SimpleNamespace(confusion=np.eye(2, dtype=int), classes=('a', 'b')),
    ]
    loops = SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics))
    runner = SimpleNamespace(
        work_dir=str(tmp_path),
        test_loop=loops,
        val_loop=loops,
        _train_loop=loop,
    )
    getattr(ConfusionMatrixHook(), f'after_{part}_epoch')(runner)
    path = tmp_path / f'confusion_matrix_{part}.csv'
    assert path.exists() == path.with_suffix('.png').exists() == writes
    if writes:
        assert path.read_text().splitlines()[1:] == ['a,1,0', 'b,0,1']
