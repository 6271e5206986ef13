"""Stacking, device, checks."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.data_preprocessors import PointCloudPreprocessor
from mmdet3d_act.registry import MODELS
from tests.test_models import toys


def test_builds_from_its_config_and_stacks_everything() -> None:
    preprocessor = MODELS.build(dict(type='PointCloudPreprocessor'))
    assert type(preprocessor) is PointCloudPreprocessor
    clouds = list(toys.points(3, channels=5))
    indices = [torch.arange(8) + cloud for cloud in range(3)]
    samples = toys.samples(3)
    batch = preprocessor(
        dict(
            inputs=dict(points=clouds, center_indices=indices),
            data_samples=samples,
        )
    )
    assert torch.equal(batch['inputs']['points'], toys.points(3, channels=5))
    assert batch['inputs']['center_indices'][2].tolist() == list(range(2, 10))
    assert [sample.sample_idx for sample in batch['data_samples']] == [0, 1, 2]


def test_clouds_of_different_size_are_refused() -> None:
    preprocessor = PointCloudPreprocessor()
    data = dict(inputs=dict(points=[torch.rand(9, 3), torch.rand(8, 3)]))
    with pytest.raises(
        ValueError, match=r'all points of a batch.*\(8, 3\), \(9, 3\)'
    ):
        preprocessor(data)
