"""Options out of their range."""

from __future__ import annotations

import pytest

from mmdet3d_act.datasets.transforms import (
    GroupPoints,
    KeepFarthestPoints,
    LoadFrame,
    LoadPointCloud,
    LoadRoomBlock,
    LoadScene,
    PrepareImage,
    RandomCuboidCrop,
    RandomPointDropout,
    RandomPointRotation,
    RandomPointScaleShift,
    SamplePoints,
)


@pytest.mark.parametrize(
    ('kind', 'arguments', 'options'),
    [
        (RandomPointScaleShift, (), dict(scale_range=(2, 1))),
        (RandomPointScaleShift, (), dict(scale_range=(0, 1))),
        (RandomPointScaleShift, (), dict(shift_range=-1)),
        (RandomPointRotation, (), dict(axis='up')),
        (RandomPointRotation, (), dict(axis=(0, 0, 0))),
        (RandomPointRotation, (), dict(angle_range=(1,))),
        (RandomPointDropout, (), dict(max_ratio=1)),
        (RandomCuboidCrop, (), dict(crop_range=(0, 1))),
        (RandomCuboidCrop, (), dict(crop_range=(0.7, 0.6))),
        (RandomCuboidCrop, (), dict(crop_range=(0.5, 1.1))),
        (RandomCuboidCrop, (), dict(min_points=0)),
        (GroupPoints, (4,), dict(group_size=0)),
        (GroupPoints, (), dict(num_groups=0, group_size=4)),
        (SamplePoints, (), dict(num_points=0)),
        (SamplePoints, (1,), dict(method='grid')),
        (SamplePoints, (1,), dict(on_too_few='pad')),
        (SamplePoints, (1, 'fps'), dict(replace=True)),
        (KeepFarthestPoints, (), dict(num_points=0)),
        (LoadPointCloud, (), dict(use_dim=2)),
        (LoadPointCloud, (), dict(coord_type='depth')),
        (LoadPointCloud, (), dict(mesh_points=0)),
        (LoadPointCloud, (4,), dict(label_column=3)),
        (LoadScene, (), dict(use_dim=4)),
        (LoadScene, (), dict(on_empty='skip')),
        (LoadScene, (), dict(on_empty='origin', with_semantic_mask=True)),
        (LoadRoomBlock, (8,), dict(use_dim=4)),
        (LoadRoomBlock, (), dict(num_points=0)),
        (LoadRoomBlock, (8,), dict(block_size=0)),
        (LoadRoomBlock, (8,), dict(min_points=-1)),
        (LoadFrame, (), dict(coordinates='rig')),
        (LoadFrame, (), dict(max_depth=0.05)),
        (LoadFrame, (), dict(min_points=0)),
        (PrepareImage, (), dict(size=0)),
        (PrepareImage, (), dict(crop='no')),
    ],
)
def test_wrong_options(kind: type, arguments: tuple, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        kind(*arguments, **options)
