"""Our random masks hide as many patches as the published draws.

Which ones they hide cannot be compared: the published code draws from numpy's
global generator, ours from PyTorch's.
"""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers import RandomPatchMask
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('augment',)
PREFIX = 'mask_draw_ratio'


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_as_many_are_masked(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    draws = {key: arrays[key] for key in arrays if key.startswith(PREFIX)}
    for key, published in draws.items():
        ratio = float(key.removeprefix(PREFIX))
        centers = torch.rand(*published.shape, 3)
        mask = RandomPatchMask(ratio)(centers)
        assert mask.sum(1).tolist() == published.sum(1).tolist()
        assert mask.shape == published.shape
