"""Folding against the form with everything concatenated."""

from __future__ import annotations

import torch

from mmdet3d_act.models.layers import FoldingDecoder
from tests.test_models import toys


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
