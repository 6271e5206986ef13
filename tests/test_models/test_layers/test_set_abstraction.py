"""Set abstraction against one ball at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet3d_act.models.layers import SetAbstraction


def layer_of(**changes: object) -> SetAbstraction:
    torch.manual_seed(0)
    settings = dict(num_groups=6, radius=0.5, group_size=5, channels=(8, 12))
    layer = SetAbstraction(**{**settings, **changes})
    for norm in layer.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return layer.eval()


def one_ball(layer: SetAbstraction, x: Tensor) -> Tensor:
    """Return the feature of the points (K, 3 + C) of a ball."""
    for fc, norm in zip(layer.fcs, layer.norms, strict=True):
        x = F.relu(norm(x @ fc.weight.T))
    return x.amax(0)


@pytest.mark.parametrize('channels', [0, 2])
def test_every_ball(channels: int) -> None:
    layer = layer_of(in_channels=channels)
    points, features = torch.rand(2, 40, 3), torch.rand(2, 40, channels)
    out = layer(points, features if channels else None)
    assert out.centers.shape == (2, 6, 3)
    assert out.features.shape == (2, 6, 12)
    for cloud in range(2):
        for ball, row in enumerate(out.indices[cloud]):
            center = points[cloud, row]
            assert torch.equal(out.centers[cloud, ball], center)
            near = (points[cloud] - center).square().sum(-1) < 0.25
            members = near.nonzero()[:5, 0]
            local = (points[cloud, members] - center) / 0.5
            x = torch.cat([local, features[cloud, members]], dim=-1)
            torch.testing.assert_close(
                out.features[cloud, ball], one_ball(layer, x)
            )
