"""The head that looks at the three patches around a point."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.heads import NearestCentersHead
from tests.test_models import toys

CLASSES = 5


def head(**changes: object) -> NearestCentersHead:
    torch.manual_seed(0)
    options = dict(in_channels=toys.DIMS, channels=(16, 8))
    return NearestCentersHead(CLASSES, **{**options, **changes})


def features(**changes: object) -> dict:
    options = dict(with_cls_token=False, **changes)
    return toys.student(**options).eval()(toys.points())


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('with_coordinates', [False, True])
def test_forward_is_the_concatenation(
    training: bool, with_coordinates: bool
) -> None:
    """Point by point: three features, nearest first, then the blocks."""
    one = head(with_coordinates=with_coordinates, dropout_ratio=0.0)
    one = toys.randomize(one).train(training)
    feats = features()
    points, centers = feats['sa_xyz'][0], feats['centers']
    order = torch.cdist(points, centers).argsort(-1)[..., :3]
    rows = []
    for cloud in range(2):
        for point in range(toys.NUM_POINTS):
            near = order[cloud, point]
            parts = [feats['features'][cloud, :, index] for index in near]
            if with_coordinates:
                parts += [
                    points[cloud, point] - centers[cloud, index]
                    for index in near
                ]
            rows.append(torch.cat(parts))
    x = torch.stack(rows)
    x = one.norm1(x @ one.fc1.weight.t()).relu()
    x = one.norm2(x @ one.fc2.weight.t()).relu()
    expected = one.fc3(x).view(2, toys.NUM_POINTS, CLASSES).transpose(1, 2)
    toys.assert_close(one(feats), expected, 1e-4)


def test_several_blocks_are_concatenated() -> None:
    feats = features(out_indices=(0, 1), norm_hidden_states=True)
    one = toys.randomize(head(in_channels=2 * toys.DIMS)).eval()
    joined = torch.cat(feats['hidden_states'], dim=1)
    named = dict(
        sa_xyz=feats['sa_xyz'], fp_xyz=feats['fp_xyz'], fp_features=[joined]
    )
    assert torch.equal(one(feats), one(named))


def test_layers_begin_as_those_of_vit() -> None:
    made = head(channels=(128, 8))
    assert made.fc1.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert made.fc3.bias.tolist() == [0] * CLASSES
