"""Folding against the form with everything concatenated."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.layers import FoldingDecoder
from tests.test_models import toys


def naive_folding(
    net: FoldingDecoder, features: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """[feature, grid, coarse point] is concatenated for every fine point."""
    batch, groups, channels = features.shape
    flat = features.reshape(-1, channels)
    coarse = net.coarse(flat).view(len(flat), net.num_coarse, 3)
    radius = 0.05
    grid = [(x, y) for y in (-radius, radius) for x in (-radius, radius)]
    rows = []
    for patch, points in zip(flat, coarse, strict=True):
        for point in points:
            for cell in grid:
                rows.append(torch.cat([patch, torch.tensor(cell), point]))
    x = F.relu(net.norm1(net.fold1(torch.stack(rows))))
    offsets = net.fold3(F.relu(net.norm2(net.fold2(x))))
    fine = offsets.view(len(flat), net.num_coarse, 4, 3) + coarse.unsqueeze(2)
    return (
        coarse.view(batch, groups, -1, 3),
        fine.view(batch, groups, -1, 3),
    )


@pytest.mark.parametrize('training', [False, True])
def test_folding_is_the_concatenated_form(training: bool) -> None:
    net = FoldingDecoder(6, 8, coarse_dims=16, fine_dims=16)
    toys.randomize(net).train(training)
    features = torch.randn(2, 3, 6)
    expected = naive_folding(net, features)
    coarse, fine = net(features)
    assert coarse.shape == (2, 3, 2, 3)
    assert fine.shape == (2, 3, 8, 3)
    toys.assert_close(coarse, expected[0])
    toys.assert_close(fine, expected[1], 1e-4)


def test_fine_points_are_offsets_to_their_coarse_point() -> None:
    net = toys.randomize(FoldingDecoder(6, 8, coarse_dims=16, fine_dims=16))
    with torch.no_grad():
        net.fold3.weight.zero_()
        net.fold3.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    coarse, fine = net(torch.randn(2, 3, 6))
    expected = coarse.repeat_interleave(4, dim=2) + net.fold3.bias
    toys.assert_close(fine, expected)


def test_grid_is_a_square_and_not_stored() -> None:
    net = FoldingDecoder(6, 8, grid_radius=0.5)
    corners = {tuple(row) for row in net.grid.tolist()}
    assert corners == {(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)}
    assert 'grid' not in net.state_dict()


def test_gradient_reaches_every_parameter() -> None:
    net = toys.randomize(FoldingDecoder(6, 8, coarse_dims=16, fine_dims=16))
    coarse, fine = net(torch.randn(2, 8, 6))
    (coarse.square().sum() + fine.square().sum()).backward()
    # A bias before a norm in training mode has no effect.
    assert set(toys.without_gradient(net)) <= {'fold1.bias', 'fold2.bias'}


def test_group_size_must_be_a_multiple_of_four() -> None:
    with pytest.raises(ValueError, match='multiple of 4, got 30'):
        FoldingDecoder(6, 30)
