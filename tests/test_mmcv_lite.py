"""What stands in for MMCV's extension agrees with the compiled one."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mmdet3d_act.mmcv_lite import Extension, is_lite

compiled = pytest.importorskip('mmcv._ext', exc_type=ImportError)
lite = Extension('mmcv._ext')
pytestmark = pytest.mark.skipif(is_lite(), reason='needs the full MMCV')


@pytest.fixture
def turned() -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    low = torch.tensor([0.0, 0.0, 0.5, 0.5, -3.0])
    return low + torch.rand(40, 5, generator=draw) * torch.tensor(
        [3.0, 3.0, 2.0, 2.0, 6.0]
    )


@pytest.mark.parametrize('offset', [0, 1])
def test_nms(turned: torch.Tensor, offset: int) -> None:
    boxes = torch.cat([turned[:, :2], turned[:, :2] + turned[:, 2:4]], 1)
    scores = turned[:, 4]
    expected = compiled.nms(boxes, scores, iou_threshold=0.3, offset=offset)
    assert 1 < len(expected) < 40
    assert lite.nms(boxes, scores, 0.3, offset).tolist() == expected.tolist()


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('mode_flag', [0, 1])
def test_box_iou_rotated(
    turned: torch.Tensor, aligned: bool, mode_flag: int
) -> None:
    other = turned.flip(0).contiguous()
    results = []
    for extension in (compiled, lite):
        ious = torch.zeros(40 if aligned else 1600)
        extension.box_iou_rotated(
            turned, other, ious, mode_flag=mode_flag, aligned=aligned
        )
        results.append(ious)
    assert results[0].max() > 0.1
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)


def test_points_in_boxes() -> None:
    draw = torch.Generator().manual_seed(0)
    boxes = torch.rand(6, 7, generator=draw) + 0.5
    points = torch.rand(500, 3, generator=draw) * 2
    results = torch.zeros(2, 6, 500, dtype=torch.int32)
    for extension, inside in zip((compiled, lite), results, strict=True):
        extension.points_in_boxes_cpu_forward(boxes, points, inside)
    assert results[0].any()
    assert torch.equal(*results)


def test_host_imports_without_the_extension() -> None:
    """MMDetection3D's parts import; an operation that is missing says so."""
    code = """
import sys
from pathlib import Path
glob = Path.glob
Path.glob = lambda self, x: [] if x == '_ext.*' else glob(self, x)
import mmdet3d_act
import mmcv.ops, mmdet3d.models, mmdet3d.evaluation, mmdet3d.datasets
assert isinstance(sys.modules['mmcv._ext'], mmdet3d_act.mmcv_lite.Extension)
import torch
try:
    mmcv.ops.softmax_focal_loss(
        torch.rand(2, 2), torch.tensor([0, 1]), 2., .25, None, 'mean')
except NotImplementedError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert 'softmax_focal_loss_forward' in done.stdout, done.stderr
