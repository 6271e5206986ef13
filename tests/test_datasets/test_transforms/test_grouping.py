from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import GroupPoints


def test_groups_of_two_clusters(sample: Callable) -> None:
    points = torch.tensor([0.0, 0.1, 0.3, 10, 10.1, 10.3])[:, None]
    results = GroupPoints(2, 3)(sample(points.expand(-1, 3)))
    assert results['center_indices'].tolist() == [0, 5]
    assert results['neighbor_indices'].tolist() == [[0, 1, 2], [5, 4, 3]]
    assert results['neighbor_indices'].dtype == torch.int64


def test_groups_of_a_cloud(sample: Callable, cloud: np.ndarray) -> None:
    results = GroupPoints(8, 5)(sample(cloud))
    centers, members = results['center_indices'], results['neighbor_indices']
    assert len(set(centers.tolist())) == 8
    assert members.shape == (8, 5)
    assert torch.equal(members[:, 0], centers)
    distances = torch.cdist(
        results['points'].coord[centers], torch.tensor(cloud)
    )
    expected = distances.argsort(1)[:, :5]
    assert torch.equal(members, expected)
    assert np.array_equal(results['points'].tensor, cloud)


def test_origin_rule(sample: Callable) -> None:
    points = torch.tensor([[1.0, 0, 0], [0.9, 0, 0], [0, 0, 0.01]])
    near = GroupPoints(2, 1)(sample(points))
    skipped = GroupPoints(2, 1, skip_origin=True)(sample(points))
    assert near['center_indices'].tolist() == [0, 2]
    assert skipped['center_indices'].tolist() == [0, 1]


@pytest.mark.parametrize(('groups', 'size'), [(51, 2), (2, 51)])
def test_too_few_points(
    sample: Callable, cloud: np.ndarray, groups: int, size: int
) -> None:
    with pytest.raises(BadSampleError, match=r'too small: .* 51 points, got'):
        GroupPoints(groups, size)(sample(cloud))
