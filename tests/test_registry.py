"""Where classes are registered, and how parts are built."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mmdet3d_act import registry
from mmdet3d_act.models.layers import RandomPatchMask

WITHOUT_MMDET3D = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: (
    None if name.split('.')[0] in ('mmdet3d', 'mmdet', 'mmcv')
    else find_spec(name, *rest))
import sys
import torch
import mmengine.registry
import mmdet3d_act
from mmdet3d_act.registry import HAS_MMDET3D, MODELS, build_module
assert not HAS_MMDET3D
assert MODELS is mmengine.registry.MODELS
student = build_module(dict(
    type='PointTransformer', embed_dims=8, num_layers=1, num_heads=2,
    num_groups=4, group_size=4, patch_channels=(4, 4, 4)))
out = student(torch.rand(1, 16, 3))
assert out['features'].shape == (1, 8, 4)
made = mmdet3d_act.registry.point_data(pts_semantic_mask=torch.ones(2))
assert made.pts_semantic_mask.sum() == 2
loaded = {name.split('.')[0] for name in sys.modules}
assert not loaded & {'mmdet3d', 'mmdet', 'mmcv'}, loaded
"""

IMPORTED_WHEN_ASKED = """
import sys
import mmdet3d_act
from mmdet3d_act.registry import MODELS
assert not {'mmengine.runner', 'mmdet3d_act.models'} & set(sys.modules)
assert 'ThreeDETR' not in MODELS.module_dict
assert MODELS.get('ThreeDETR') is mmdet3d_act.models.detectors.ThreeDETR
"""
ASKED_BEFORE = """
from mmdet3d.registry import TRANSFORMS
TRANSFORMS.get('LoadPointsFromFile')
import mmdet3d_act
TRANSFORMS.get('RandomPointRotation').__module__.index('mmdet3d_act')
"""


def test_configs_are_built_and_the_built_passes() -> None:
    built = registry.build_module(dict(type='RandomPatchMask', ratio=0.5))
    assert isinstance(built, RandomPatchMask)
    assert built.ratio == 0.5
    assert registry.build_module(built) is built
    assert registry.build_module(None) is None


def test_registries_are_those_of_mmdet3d() -> None:
    mmdet3d = pytest.importorskip('mmdet3d.registry')
    assert registry.HAS_MMDET3D
    for name in ('DATASETS', 'HOOKS', 'METRICS', 'MODELS', 'TRANSFORMS'):
        assert getattr(registry, name) is getattr(mmdet3d, name)


@pytest.mark.parametrize(
    'code', [WITHOUT_MMDET3D, IMPORTED_WHEN_ASKED, ASKED_BEFORE]
)
def test_registration(code: str) -> None:
    result = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr


def test_boxes_of_data_samples_and_back() -> None:
    pytest.importorskip('mmdet3d')
    boxes = torch.tensor([[1.0, 2, 3, 4, 5, 6, 0.5]])
    made = registry.depth_boxes(boxes, turned=True)
    assert made.with_yaw
    torch.testing.assert_close(made.gravity_center, boxes[:, :3])
    torch.testing.assert_close(registry.gravity_boxes(made), boxes)
    straight = registry.depth_boxes(boxes)
    assert not straight.with_yaw
    assert registry.gravity_boxes(straight)[0, 6] == 0
