"""The neck before stock heads."""

from __future__ import annotations

import torch

from mmdet3d_act.models.necks import PatchProjection
from tests.test_models import toys

WIDTH = 12


def neck() -> PatchProjection:
    torch.manual_seed(0)
    return toys.randomize(PatchProjection(toys.DIMS, WIDTH)).eval()


def test_projects_wherever_heads_look() -> None:
    feats = toys.student().eval()(toys.points())
    one = neck()
    projected = one(feats)
    expected = one.norm(one.conv(feats['features'])).relu()
    assert expected.shape == (2, WIDTH, toys.NUM_GROUPS)
    for features in (
        projected['features'],
        projected['fp_features'][-1],
        projected['sa_features'][-1],
    ):
        assert torch.equal(features, expected)
    for key in ('fp_xyz', 'fp_indices', 'sa_xyz', 'sa_indices', 'centers'):
        assert projected[key] is feats[key]
    assert len(projected['sa_features']) == len(feats['sa_features']) == 2
    # What came in is as it was.
    assert feats['fp_features'][-1].shape[1] == toys.DIMS
