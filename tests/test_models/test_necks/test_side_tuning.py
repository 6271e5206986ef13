"""The small network beside a frozen one."""

from __future__ import annotations

import torch

from mmdet3d_act.models.necks import SideTuning
from tests.test_models import toys

SIZES = dict(patch_channels=(8, 16, 16))


def test_half_of_each_at_the_start() -> None:
    student, patches = toys.student().eval(), toys.patches()
    encoded = student.encode(patches)
    neck = toys.randomize(SideTuning(toys.DIMS, **SIZES)).eval()
    torch.nn.init.zeros_(neck.alpha)
    blended = neck(encoded, patches)
    side = neck.proj(neck.patch_embed(patches.neighborhoods))
    assert torch.allclose(blended.features, (encoded.features + side) / 2)
    assert blended.cls_token is encoded.cls_token
