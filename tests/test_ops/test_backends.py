from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from mmdet3d_act.ops import _backends
from tests.test_ops import oracles


@pytest.fixture(autouse=True)
def _forget() -> None:
    _backends._import_mmcv_ops.cache_clear()
    yield
    _backends._import_mmcv_ops.cache_clear()


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


@pytest.mark.parametrize(
    ('version', 'usable'), [('13.0', True), ('not available', False)]
)
def test_mmcv_counts_where_it_was_built_with_cuda(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
    version: str,
    usable: bool,
) -> None:
    fake = ModuleType('mmcv.ops')
    fake.get_compiling_cuda_version = lambda: version
    monkeypatch.setitem(sys.modules, 'mmcv', ModuleType('mmcv'))
    monkeypatch.setitem(sys.modules, 'mmcv.ops', fake)
    points = pretend(True, torch.float32)
    messages = []
    monkeypatch.setattr(
        _backends, 'print_log', lambda text, **_: messages.append(text)
    )
    found = [_backends.mmcv_ops(points) for _ in range(3)]
    assert found == [fake if usable else None] * 3
    assert len(messages) == (0 if usable else 1)


def test_missing_mmcv_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []
    monkeypatch.setitem(sys.modules, 'mmcv.ops', None)
    monkeypatch.setattr(
        _backends, 'print_log', lambda text, **_: messages.append(text)
    )
    points = pretend(True, torch.float32)
    assert [_backends.mmcv_ops(points) for _ in range(3)] == [None] * 3
    assert len(messages) == 1
    assert 'no CUDA kernels' in messages[0]


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


def test_squared_distances() -> None:
    first, second = oracles.cloud(2, 5), oracles.cloud(2, 4, seed=1)
    got = _backends.squared_distances(
        first.transpose(1, 2), second.transpose(1, 2)
    )
    want = (first[:, :, None] - second[:, None]).pow(2).sum(-1)
    torch.testing.assert_close(got, want)
