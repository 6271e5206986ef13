from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import (
    NormalizeToUnitSphere,
    normalize_to_unit_sphere,
)


def test_hand_worked() -> None:
    points = torch.tensor([[1.0, 5, 5, 7], [4, 5, 5, 8], [1, 5, 5, 9]])
    expected = [[-0.5, 0, 0, 7], [1, 0, 0, 8], [-0.5, 0, 0, 9]]
    assert normalize_to_unit_sphere(points).tolist() == expected


def test_far_from_the_origin(cloud: np.ndarray) -> None:
    near = torch.from_numpy(cloud.round())
    far = normalize_to_unit_sphere(near + 1e6)
    torch.testing.assert_close(far, normalize_to_unit_sphere(near))
    assert far.norm(dim=1).max() == pytest.approx(1)


def test_transform(sample: Callable, cloud: np.ndarray) -> None:
    results = NormalizeToUnitSphere()(sample(cloud))
    coords = results['points'].coord
    assert coords.norm(dim=1).max() == pytest.approx(1)
    assert coords.mean(0).abs().max() < 1e-6


@pytest.mark.parametrize('value', [0.0, 0.1, 1e6])
@pytest.mark.parametrize('count', [1, 7])
def test_degenerate(sample: Callable, value: float, count: int) -> None:
    points = torch.full((count, 3), value)
    with pytest.raises(BadSampleError, match=r'cloud\.npy: degenerate: its'):
        NormalizeToUnitSphere()(sample(points))
