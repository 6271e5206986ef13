"""Point-MAE's targets."""

from __future__ import annotations

import torch

from mmdet3d_act.models.layers import make_patches
from mmdet3d_act.models.target_generators import PatchCoordinates
from mmdet3d_act.registry import MODELS
from tests.test_models import toys


def test_target_is_the_coordinates_of_the_patches() -> None:
    generator = MODELS.build(dict(type='PatchCoordinates'))
    assert type(generator) is PatchCoordinates
    patches = make_patches(toys.points(channels=6), 8, 4)
    target = generator({}, patches)
    assert torch.equal(target, patches.neighborhoods[..., :3])
    assert list(generator.parameters()) == []
