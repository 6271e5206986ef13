"""Augmentation equals the published code's, in values and in draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmdet3d.structures.points import DepthPoints
from torch import Tensor

from mmdet3d_act.datasets.transforms import (
    RandomPointDropout,
    RandomPointScaleShift,
    normalize_to_unit_sphere,
    rotate,
    scale_and_shift,
)
from mmdet3d_act.models.layers import RandomPatchMask
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('augment',)
Y_AXIS = (0, 1, 0)


def _clouds(arrays: dict[str, np.ndarray]) -> Tensor:
    return torch.from_numpy(arrays['points'])


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_rotation(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    # The released code multiplies rows from the left: the other way round.
    turned = [
        rotate(cloud, Y_AXIS, -angle)
        for cloud, angle in zip(
            _clouds(arrays), arrays['rotate_angles'], strict=True
        )
    ]
    reference.assert_some(name, {'rotate': torch.stack(turned)})
    np.random.seed(meta['numpy_seed'])
    drawn = np.random.uniform(0, 2 * math.pi, len(turned))
    np.testing.assert_allclose(drawn, arrays['rotate_angles'])


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_scale_and_shift(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    given = [
        scale_and_shift(*values)
        for values in zip(
            _clouds(arrays), arrays['st_scale'], arrays['st_shift'],
            strict=True,
        )
    ]  # fmt: skip
    reference.assert_some(name, {'scale_translate': torch.stack(given)})
    transform = RandomPointScaleShift()
    np.random.seed(meta['numpy_seed'])
    drawn = [transform.augment(cloud) for cloud in _clouds(arrays)]
    reference.assert_some(name, {'scale_translate': torch.stack(drawn)})


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_segmentation_scale_and_shift(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    clouds, scales = _clouds(arrays), arrays['seg_scales']
    shifts = arrays['seg_shifts']
    results = {
        'seg_scaled': [
            scale_and_shift(cloud, scale, 0.0)
            for cloud, scale in zip(clouds, scales, strict=True)
        ],
        'seg_scaled_shifted': [
            scale_and_shift(*values)
            for values in zip(clouds, scales, shifts, strict=True)
        ],
    }
    results = {key: torch.stack(value) for key, value in results.items()}
    reference.assert_some(name, results)


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_input_dropout(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    transform = RandomPointDropout()
    np.random.seed(meta['numpy_seed'])
    dropped = [
        transform(dict(points=DepthPoints(cloud)))['points'].tensor
        for cloud in _clouds(arrays)
    ]
    reference.assert_some(name, {'input_dropout': torch.stack(dropped)})


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_normalisation(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    points = torch.from_numpy(arrays['pc_norm_in'])
    normalized = normalize_to_unit_sphere(points)
    reference.assert_some(name, {'pc_norm_out': normalized})


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_as_many_patches_are_masked(reference: Reference, name: str) -> None:
    """Which ones cannot be compared: numpy draws there, PyTorch here."""
    arrays, _ = reference.load(name)
    for key, published in arrays.items():
        if key.startswith('mask_draw_ratio'):
            mask = RandomPatchMask(float(key.removeprefix('mask_draw_ratio')))
            drawn = mask(torch.rand(*published.shape, 3))
            assert drawn.shape == published.shape
            assert drawn.sum(1).tolist() == published.sum(1).tolist()
