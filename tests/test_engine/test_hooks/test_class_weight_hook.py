"""Class weights of the training set, handed to the head."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmdet3d_act.engine.hooks import ClassWeightHook
from mmdet3d_act.models.heads import SemanticSegHead
from mmdet3d_act.registry import HOOKS


class Weighed:
    """A data set that knows its classes' weights."""

    def class_weights(self) -> list[float]:
        return [1.0, 2.5, 0.0]


def runner_of(dataset: object, head: nn.Module | None) -> SimpleNamespace:
    model = nn.Module()
    if head is not None:
        model.decode_head = head
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        model=model, train_loop=SimpleNamespace(dataloader=loader)
    )


def head() -> SemanticSegHead:
    return SemanticSegHead(
        3, in_channels=4, propagation_channels=(4,), channels=(4, 4)
    )


@pytest.mark.parametrize('wraps', [0, 2])
def test_hands_the_weights_over(wraps: int) -> None:
    dataset = Weighed()
    for _ in range(wraps):
        dataset = SimpleNamespace(dataset=dataset)
    one = head()
    assert one.class_weight is None
    hook = HOOKS.build(dict(type='ClassWeightHook'))
    assert type(hook) is ClassWeightHook
    hook.before_train(runner_of(dataset, one))
    assert one.class_weight.tolist() == [1.0, 2.5, 0.0]


def test_unwraps_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    one = head()
    runner = runner_of(Weighed(), one)
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = runner.model
    runner.model = wrapper
    ClassWeightHook().before_train(runner)
    assert one.class_weight.tolist() == [1.0, 2.5, 0.0]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r'class_weights\(\), .* got int'):
        ClassWeightHook().before_train(runner_of(3, head()))
