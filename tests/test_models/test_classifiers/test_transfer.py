"""Which parameters the transfer protocols train."""

from __future__ import annotations

import pytest

from mmdet3d_act.models.classifiers import (
    freeze_backbone,
    keeps_backbone,
)
from tests.test_models import toys

TOKEN = {'cls_token', 'cls_pos'}


def trained(transfer: str, *, strict: bool = False) -> set[str]:
    backbone = toys.student()
    freeze_backbone(backbone, transfer, strict=strict)
    return {n for n, p in backbone.named_parameters() if p.requires_grad}


def test_full_trains_everything() -> None:
    every = {name for name, _ in toys.student().named_parameters()}
    assert trained('full') == trained('full', strict=True) == every
    assert not keeps_backbone('full')


@pytest.mark.parametrize('transfer', ['linear', 'mlp3', 'side'])
def test_frozen_but_for_the_class_token(transfer: str) -> None:
    assert trained(transfer) == TOKEN
    assert trained(transfer, strict=True) == set()
    assert keeps_backbone(transfer)


def test_biases() -> None:
    every = {name for name, _ in toys.student().named_parameters()}
    biases = {name for name in every if name.endswith('.bias')}
    assert {'norm.bias', 'blocks.1.mlp.fc2.bias'} <= biases
    assert trained('bitfit') == biases | TOKEN
    assert trained('bitfit', strict=True) == biases


def test_frozen_stages_stay_frozen() -> None:
    backbone = toys.student(frozen_stages=1)
    frozen = {n for n, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen
    freeze_backbone(backbone, 'bitfit')
    params = dict(backbone.named_parameters())
    assert not any(params[name].requires_grad for name in frozen)
    assert params['blocks.1.mlp.fc2.bias'].requires_grad
