from __future__ import annotations

import torch
from torch import nn

from mmdet3d_act.models.teachers import TeacherEncoder, TeacherStates


def test_parts_are_registered() -> None:
    encoder = TeacherEncoder(
        [nn.Linear(2, 2), nn.Linear(2, 2)],
        nn.LayerNorm(2),
        pre_norm=nn.LayerNorm(2, bias=False),
        num_tokens=7,
    )
    assert set(encoder.state_dict()) == {
        'blocks.0.weight',
        'blocks.0.bias',
        'blocks.1.weight',
        'blocks.1.bias',
        'norm.weight',
        'norm.bias',
        'pre_norm.weight',
    }
    assert encoder.num_tokens == 7


def test_norms_may_be_missing() -> None:
    encoder = TeacherEncoder(iter([nn.Linear(2, 2)]))
    assert len(encoder.blocks) == 1
    assert (encoder.norm, encoder.pre_norm) == (None, None)
    assert encoder.num_tokens is None
    empty = torch.zeros(1)
    assert TeacherStates(empty, empty, (), None, empty).pre_normed is None
