"""Classes of the data and of the head."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.hooks import ClassCheckHook, class_check_hook


def runner_of(
    outputs: int | None,
    train: tuple[str, ...],
    val: tuple[str, ...] | None = None,
) -> SimpleNamespace:
    model = nn.Module()
    if outputs is not None:
        model.head = nn.Module()
        model.head.num_classes = outputs

    def loader(classes: tuple[str, ...] | None) -> SimpleNamespace:
        meta = {} if classes is None else dict(classes=classes)
        return SimpleNamespace(dataset=SimpleNamespace(metainfo=meta))

    return SimpleNamespace(
        model=model,
        train_dataloader=loader(train),
        val_dataloader=loader(val),
        test_dataloader=loader(train),
        val_loop=None if val is None else 'loop',
    )


def test_what_agrees():
    ClassCheckHook().before_train(runner_of(2, ('a', 'b'), ('a', 'b')))
    ClassCheckHook().before_train(runner_of(2, ('a', 'b')))
    ClassCheckHook().before_test(runner_of(2, ('a', 'b')))


def test_a_head_that_is_too_small():
    expected = 'the head has 2 classes .*, the training data 3: a, b, c; set'
    with pytest.raises(UsageError, match=expected):
        ClassCheckHook().before_train(runner_of(2, ('a', 'b', 'c')))
    with pytest.raises(UsageError, match='the test data 3'):
        ClassCheckHook().before_test(runner_of(2, ('a', 'b', 'c')))


def test_a_head_with_spare_outputs_is_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr(
        class_check_hook, 'print_log', lambda text, **_: said.append(text)
    )
    ClassCheckHook().before_train(runner_of(40, ('a', 'b'), ('a', 'b')))
    assert 'the head has 40 classes' in said[0]


def test_labels_with_two_meanings():
    runner = runner_of(6, ('a', 'b'), tuple('abcdef'))
    expected = r'training: a, b; validation: a, b, c, d, e, \.\.\.'
    with pytest.raises(UsageError, match=expected):
        ClassCheckHook().before_train(runner)


def test_a_pretraining_is_left_alone():
    ClassCheckHook().before_train(runner_of(None, ('a', 'b'), ('c',)))
