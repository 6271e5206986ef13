"""The small network beside a frozen one."""

from __future__ import annotations

import torch

from mmdet3d_act.models.necks import SideTuning
from mmdet3d_act.registry import MODELS
from tests.test_models import toys

SIZES = dict(patch_channels=(8, 16, 16))


def test_builds_from_its_config() -> None:
    neck = MODELS.build(dict(type='SideTuning', embed_dims=32))
    assert neck.proj.weight.shape == (32, 32)
    assert neck.proj.bias is None
    assert neck.alpha.shape == (1,)


def test_half_of_each_at_the_start() -> None:
    student, patches = toys.student().eval(), toys.patches()
    encoded = student.encode(patches)
    neck = toys.randomize(SideTuning(toys.DIMS, **SIZES)).eval()
    torch.nn.init.zeros_(neck.alpha)
    blended = neck(encoded, patches)
    side = neck.proj(neck.patch_embed(patches.neighborhoods))
    assert torch.allclose(blended.features, (encoded.features + side) / 2)
    assert blended.cls_token is encoded.cls_token


def test_the_share_is_learned() -> None:
    student, patches = toys.student().eval(), toys.patches()
    encoded = student.encode(patches)
    neck = toys.randomize(SideTuning(toys.DIMS, **SIZES)).eval()
    torch.nn.init.constant_(neck.alpha, 100.0)
    assert torch.equal(neck(encoded, patches).features, encoded.features)
    torch.nn.init.zeros_(neck.alpha)
    neck(encoded, patches).features.square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in neck.parameters())
