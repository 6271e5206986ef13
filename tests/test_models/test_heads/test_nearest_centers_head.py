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


def targets(seed: int = 3) -> torch.Tensor:
    generator = toys.seeded(seed)
    return torch.randint(CLASSES, (2, toys.NUM_POINTS), generator=generator)


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


def test_constant_over_the_cells_of_the_centers() -> None:
    one = toys.randomize(head()).eval()
    feats = features()
    near = torch.cdist(feats['sa_xyz'][0], feats['centers'])
    cells = near.argsort(-1)[..., :3]
    # Twice the same cloud, the second time each point a little moved.
    moved = feats['sa_xyz'][0] + 1e-4
    same = (
        (torch.cdist(moved, feats['centers']).argsort(-1)[..., :3] == cells)
        .all(-1)
        .unsqueeze(1)
        .expand(-1, CLASSES, -1)
    )
    assert same.float().mean() > 0.9
    logits = one(feats)
    again = one({**feats, 'sa_xyz': [moved]})
    assert torch.equal(logits[same], again[same])
    placed = toys.randomize(head(with_coordinates=True)).eval()
    logits = placed(feats)
    again = placed({**feats, 'sa_xyz': [moved]})
    assert not torch.equal(logits[same], again[same])


def test_several_blocks_are_concatenated() -> None:
    feats = features(out_indices=(0, 1), norm_hidden_states=True)
    one = toys.randomize(head(in_channels=2 * toys.DIMS)).eval()
    joined = torch.cat(feats['hidden_states'], dim=1)
    named = dict(
        sa_xyz=feats['sa_xyz'], fp_xyz=feats['fp_xyz'], fp_features=[joined]
    )
    assert torch.equal(one(feats), one(named))


def test_learns_a_cloud_by_heart() -> None:
    feats = features(num_groups=16)
    feats = {key: feats[key] for key in ('sa_xyz', 'fp_xyz', 'fp_features')}
    feats['fp_features'] = [feats['fp_features'][0].detach()]
    one = head(with_coordinates=True, channels=(64, 32), dropout_ratio=0.0)
    optimizer = torch.optim.Adam(one.parameters(), 1e-2)
    samples = toys.labelled((feats['sa_xyz'][0][..., 0] > 0).long())
    for _ in range(30):
        losses = one.loss(feats, samples)
        optimizer.zero_grad()
        losses['loss_sem_seg'].backward()
        optimizer.step()
    assert losses['accuracy'] == 1
