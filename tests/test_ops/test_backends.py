from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mmdet3d_act.ops import _backends
from tests.test_ops import oracles


def pretend(cuda: bool, dtype: torch.dtype) -> SimpleNamespace:
    return SimpleNamespace(is_cuda=cuda, dtype=dtype)


def test_cpu_tensors_never_import_mmcv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        _backends, '_import_mmcv_ops', lambda: pytest.fail('imported')
    )
    assert _backends.mmcv_ops(oracles.cloud(1, 4)) is None
    assert _backends.mmcv_ops(pretend(True, torch.float64)) is None


@pytest.mark.parametrize('shape', [(1, 1, 1), (3, 5, 7), (2, 40, 3)])
@pytest.mark.parametrize('limit', [1, 16, 40, 1000])
def test_blocks_cover_everything_once(
    monkeypatch: pytest.MonkeyPatch, shape: tuple, limit: int
) -> None:
    monkeypatch.setattr(_backends, 'block_size', lambda device: limit)
    seen = torch.zeros(shape[:2])
    for clouds, rows in _backends.blocks(*shape, torch.device('cpu')):
        part = seen[clouds, rows]
        assert part.numel() * shape[2] <= max(limit, shape[2])
        part += 1
    assert (seen == 1).all()
