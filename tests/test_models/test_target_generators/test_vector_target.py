from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.target_generators import VectorTarget
from mmdet3d_act.registry import MODELS


def test_registered() -> None:
    assert MODELS.module_dict['VectorTarget'] is VectorTarget


def test_vectors_are_the_target() -> None:
    vectors = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    target = VectorTarget(5)({'vectors': vectors}, None, None)
    assert torch.equal(target, vectors.detach().float())
    assert target.dtype == torch.float32
    assert not target.requires_grad


def test_shape_sizes_the_head() -> None:
    assert VectorTarget(1024).target_shape == (1024,)
    assert VectorTarget().target_shape is None
    assert VectorTarget()({'vectors': torch.zeros(1, 7)}).shape == (1, 7)


def test_wrong_batches() -> None:
    with pytest.raises(ValueError, match=r'expected vectors \(B, 5\), got'):
        VectorTarget(5)({'vectors': torch.zeros(2, 6)})
    with pytest.raises(ValueError, match='expected vectors'):
        VectorTarget()({'vectors': torch.zeros(2, 3, 6)})
    with pytest.raises(KeyError, match='precomputed vectors'):
        VectorTarget(5)({'points': None})
