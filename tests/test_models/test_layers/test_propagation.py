"""From features of centres to features of points."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.layers import FeaturePropagation
from mmdet3d_act.ops import three_interpolate
from tests.test_models import toys


def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    points = toys.points()
    features = torch.randn(2, 8, 12, generator=toys.seeded(1))
    return points, points[:, 5:13], features


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('num_centers', [1, 2, 8])
def test_is_interpolation_then_mlp(training: bool, num_centers: int) -> None:
    """The first layer, applied to centres, equals that of all points."""
    points, centers, features = case()
    centers, features = centers[:, :num_centers], features[:, :num_centers]
    module = toys.randomize(FeaturePropagation(12, (16, 8)))
    module.train(training)
    spread = three_interpolate(points, centers, features)
    x = torch.cat([points, spread], dim=-1)
    for fc, norm in zip(module.fcs, module.norms, strict=True):
        x = F.linear(x, fc.weight, fc.bias).flatten(0, 1)
        mean, var = norm.running_mean, norm.running_var
        if training:
            mean, var = x.mean(0), x.var(0, unbiased=False)
        x = (x - mean) / (var + 1e-5).sqrt() * norm.weight + norm.bias
        x = x.relu().view(2, -1, fc.out_features)
    toys.assert_close(module(points, centers, features), x, 1e-4)


def test_a_point_at_a_centre_gets_its_feature() -> None:
    """A layer that hands on the feature, without norm and coordinates."""
    points, centers, features = case()
    features = features.abs() + 0.1
    module = FeaturePropagation(12, (12,)).eval()
    module.fcs[0].weight.data = torch.eye(15)[3:]
    module.fcs[0].bias.data.zero_()
    out = module(points, centers, features)
    toys.assert_close(out[:, 5:13], features / (1 + 1e-5) ** 0.5, 1e-4)
