from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets.transforms.sampling import (
    check_per_point,
    take_points,
)


def _sample(sample: Callable, cloud: np.ndarray) -> dict:
    return sample(cloud) | dict(
        pts_semantic_mask=np.arange(50),
        pts_instance_mask=torch.arange(50) * 2,
        shape_label=3,
    )


def test_what_belongs_to_points_goes_with_them(
    sample: Callable, cloud: np.ndarray
) -> None:
    results = _sample(sample, cloud)
    take_points(results, np.array([7, 0, 7]))
    assert np.array_equal(results['points'].tensor, cloud[[7, 0, 7]])
    assert results['pts_semantic_mask'].tolist() == [7, 0, 7]
    assert results['pts_instance_mask'].tolist() == [14, 0, 14]
    assert results['shape_label'] == 3


def test_masks_are_optional(sample: Callable, cloud: np.ndarray) -> None:
    results = sample(cloud)
    take_points(results, np.array([1]))
    assert 'pts_semantic_mask' not in results


def test_mask_that_lags_behind(sample: Callable, cloud: np.ndarray) -> None:
    results = _sample(sample, cloud)
    results['points'] = results['points'][:20]
    with pytest.raises(ValueError, match=r'\(20,\), .*, got \(50,\)'):
        check_per_point(results, 'pts_semantic_mask')
    with pytest.raises(ValueError, match='changed the points alone'):
        take_points(results, np.arange(3))


def test_what_a_metric_compares_goes_too(
    sample: Callable, cloud: np.ndarray
) -> None:
    results = _sample(sample, cloud)
    truth = dict(pts_semantic_mask=np.arange(50), gt_labels_3d=np.arange(3))
    results['eval_ann_info'] = truth
    take_points(results, np.array([7, 0, 7]))
    assert truth['pts_semantic_mask'].tolist() == [7, 0, 7]
    assert truth['gt_labels_3d'].tolist() == [0, 1, 2]


def test_pixels_go_with_their_points(
    sample: Callable, cloud: np.ndarray
) -> None:
    pixels = np.random.default_rng(0).random((50, 2), dtype=np.float32)
    results = sample(cloud) | dict(pixels=pixels)
    take_points(results, np.array([4, 4, 9]))
    assert np.array_equal(results['pixels'], pixels[[4, 4, 9]])
    results['pixels'] = pixels[:3, 0]
    with pytest.raises(ValueError, match=r'pixels of shape \(3, 2\)'):
        take_points(results, np.array([0]))
