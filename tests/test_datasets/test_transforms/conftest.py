"""A sample in its pipeline, for the transform tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from mmdet3d.structures.points import DepthPoints
from torch import Tensor


@pytest.fixture
def sample() -> Callable[[Tensor], dict]:
    """Return a function that wraps points (N, 3 + F) as a sample."""

    def wrap(points: Tensor) -> dict:
        points = torch.as_tensor(points, dtype=torch.float32)
        return dict(
            points=DepthPoints(points, points_dim=points.shape[1]),
            lidar_path='cloud.npy',
            rng_key=(0, 0, 0),
        )

    return wrap
