"""Masks: how many, which, and what is done with them."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers import BlockPatchMask, RandomPatchMask, select

KINDS = {'RandomPatchMask': RandomPatchMask, 'BlockPatchMask': BlockPatchMask}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('ratio', 'groups', 'expected'),
    [(0.8, 64, 51), (0.6, 64, 38), (0.6, 8, 4), (0.5, 3, 1), (0.9, 10, 9)],
)
def test_exactly_the_floor_is_masked(
    kind: str, ratio: float, groups: int, expected: int
) -> None:
    mask = KINDS[kind](ratio)(torch.rand(16, groups, 3))
    assert mask.shape == (16, groups)
    assert mask.dtype == torch.bool
    assert mask.sum(dim=1).tolist() == [expected] * 16


@pytest.mark.parametrize('kind', KINDS)
def test_one_seed_one_mask(kind: str) -> None:
    mask = KINDS[kind](0.5)
    centers = torch.rand(4, 32, 3)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(mask(centers))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][0], drawn[0][1])


def test_random_mask_is_uniform() -> None:
    torch.manual_seed(0)
    mask = RandomPatchMask(0.25)(torch.rand(8000, 8, 3)).float()
    share = mask.mean(dim=0)
    assert (share - 0.25).abs().max() < 0.02
    # Without replacement: two patches go together with 2/8 * 1/7.
    together = (mask.T @ mask / len(mask))[0, 1:]
    assert (together - 0.25 / 7).abs().max() < 0.01


def test_block_mask_is_the_nearest_patches_of_the_start() -> None:
    centers = torch.rand(5, 16, 3)
    start = torch.tensor([0, 3, 15, 7, 7])
    mask = BlockPatchMask(0.5)(centers, start)
    for cloud in range(5):
        distance = (centers[cloud] - centers[cloud, start[cloud]]).norm(dim=1)
        nearest = distance.topk(8, largest=False).indices
        assert mask[cloud, start[cloud]]
        assert set(nearest.tolist()) == set(
            mask[cloud].nonzero().flatten().tolist()
        )


def test_block_mask_starts_anywhere() -> None:
    torch.manual_seed(0)
    # Far apart, the block of one patch is its start.
    centers = torch.eye(3).expand(3000, -1, -1)
    share = BlockPatchMask(0.4)(centers).float().mean(dim=0)
    assert (share - 1 / 3).abs().max() < 0.03


def test_select_keeps_the_order() -> None:
    values = torch.arange(12).view(2, 6)
    mask = torch.tensor(
        [[0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 1, 1]], dtype=torch.bool
    )
    assert select(values, mask).tolist() == [[1, 3, 4], [6, 10, 11]]
    assert select(values, ~mask).tolist() == [[0, 2, 5], [7, 8, 9]]
    wide = values[..., None, None].expand(-1, -1, 4, 3)
    assert select(wide, mask).shape == (2, 3, 4, 3)
