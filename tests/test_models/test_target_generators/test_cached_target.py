"""Targets that are computed once."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.distillers import Objective
from mmdet3d_act.models.heads import FeatureHead
from mmdet3d_act.models.necks import MaskDecoder
from mmdet3d_act.models.target_generators import (
    CachedTarget,
    PatchCoordinates,
    TargetNorm,
)
from tests.test_models import toys


class CountingTarget(torch.nn.Module):
    """The patch centres, and how often they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, inputs, patches, data_samples=None) -> torch.Tensor:
        self.calls += 1
        return patches.centers * 2


def batches() -> list[tuple]:
    made = []
    for first in (0, 2):
        samples = toys.samples(4)[first : first + 2]
        made.append(({}, toys.patches(seed=first), samples))
    return made


def objective(norm: TargetNorm | None = None) -> Objective:
    return Objective(
        CachedTarget(CountingTarget()),
        MaskDecoder(32, num_layers=1, num_heads=4),
        FeatureHead(32, 3),
        target_norm=norm,
    )


def test_targets_come_back_by_sample() -> None:
    cache = CachedTarget(PatchCoordinates())
    target = torch.randn(4, 8, 3, requires_grad=True)
    samples = toys.samples(4)
    patches = toys.patches(4)
    cache.store(target, patches, samples)
    chosen = type(patches)(*(value[[3, 1]] for value in patches))
    back = cache({}, chosen, [samples[3], samples[1]])
    assert torch.equal(back, target.detach()[[3, 1]])
    assert not back.requires_grad


def test_prepared_once_and_read_ever_after() -> None:
    part = objective()
    assert part.needs_preparation
    part.prepare(batches())
    generator = part.target_generator.generator
    assert generator.calls == 2
    _, patches, samples = batches()[1]
    # The patches are moved, as augmentation does; the target is the kept one.
    moved = patches._replace(centers=patches.centers + 5)
    target = part.get_target({}, moved, samples)
    toys.assert_close(target, patches.centers * 2)
    assert generator.calls == 2


def test_statistics_and_targets_in_one_pass() -> None:
    part = objective(TargetNorm('center', num_channels=3))
    part.prepare(batches())
    assert part.target_generator.generator.calls == 2
    assert not part.target_norm.needs_fit
    centers = torch.cat([batch[1].centers for batch in batches()]) * 2
    mean = centers.flatten(0, 1).mean(dim=0)
    toys.assert_close(part.target_norm.mean, mean)
    _, patches, samples = batches()[0]
    target = part.get_target({}, patches, samples)
    toys.assert_close(target, patches.centers * 2 - mean)


def test_other_samples_and_patches_are_refused() -> None:
    cache = CachedTarget(PatchCoordinates())
    codes = torch.randint(16, (2, 8))
    cache.store(codes, toys.patches(), toys.samples(2))
    assert torch.equal(cache({}, toys.patches(), toys.samples(2)), codes)
    assert cache.state_dict() == {}
    with pytest.raises(RuntimeError, match=r'\[2, 3\]'):
        cache({}, toys.patches(4), toys.samples(4))
    with pytest.raises(RuntimeError, match='PrepareTargetsHook'):
        cache({}, toys.patches(seed=9), toys.samples())
