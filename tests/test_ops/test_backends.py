from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mmdet3d_act.ops import _backends
from tests.test_ops import oracles


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Points that count as such of a GPU."""
    monkeypatch.setattr(
        _backends, 'is_plain', lambda points, device: device == 'cuda'
    )
    return oracles.cloud(1, 4)


def test_cpu_tensors_never_import_mmcv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        _backends, '_import_mmcv_ops', lambda: pytest.fail('imported')
    )
    assert _backends.mmcv_ops(oracles.cloud(1, 4)) is None
    with FakeTensorMode(), torch.device('cuda'):
        assert _backends.mmcv_ops(torch.rand(1, 4, 3)) is None


@pytest.mark.parametrize(
    ('forced', 'found'),
    [
        (None, ('mmcv', 'triton')),
        ('mmcv', ('mmcv', None)),
        ('triton', (None, 'triton')),
        ('torch', (None, None)),
    ],
)
def test_backends_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    on_gpu: torch.Tensor,
    forced: str | None,
    found: tuple,
) -> None:
    monkeypatch.setattr(_backends, '_import_mmcv_ops', lambda: 'mmcv')
    monkeypatch.setattr(_backends, '_import_triton_ops', lambda: 'triton')
    monkeypatch.delenv('ACT_OPS_BACKEND', raising=False)
    if forced is not None:
        monkeypatch.setenv('ACT_OPS_BACKEND', forced)
    assert _backends.mmcv_ops(on_gpu) == found[0]
    assert _backends.triton_ops(on_gpu) == found[1]
    assert _backends.triton_ops(on_gpu.double()) is None


@pytest.mark.parametrize(
    ('forced', 'error'), [('mmcv', ImportError), ('mcv', ValueError)]
)
def test_a_backend_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
    on_gpu: torch.Tensor,
    forced: str,
    error: type,
) -> None:
    monkeypatch.setattr(_backends, '_import_mmcv_ops', lambda: None)
    monkeypatch.setenv('ACT_OPS_BACKEND', forced)
    with pytest.raises(error, match=forced):
        _backends.mmcv_ops(on_gpu)


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
