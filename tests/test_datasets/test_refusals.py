"""Options that no data set or transform takes are named before any reading."""

from __future__ import annotations

import pytest

from mmdet3d_act.datasets.seeding import rng_key
from mmdet3d_act.registry import DATASETS, TRANSFORMS


@pytest.mark.parametrize(
    ('kind', 'options', 'offender'),
    [
        ('ShapeNet55', dict(split='Trian'), "'Trian'; did you mean 'train'"),
        ('ShapeNet55', dict(on_error='ignore'), "'ignore'"),
        ('ShapeNet55', dict(up_axis='up'), "'up'"),
        ('ShapeNet55', dict(label_fraction=0), 'label_fraction .* got 0'),
        ('ShapeNetPart', dict(categories=['Mugg']), "mean 'Mug'"),
        ('ModelNet40', dict(source='h5'), "'h5'"),
        ('ModelNetFewShot', dict(way=1), 'way=1'),
        ('ModelNetFewShot', dict(fold=-1), 'fold=-1'),
        ('ScanObjectNN', dict(variant='pb'), "'pb'"),
        ('S3DISBlocks', dict(test_areas=7), 'got 7'),
        ('S3DISBlocks', dict(test_areas=()), r'got \(\)'),
        ('S3DISBlocks', dict(samples='scenes'), "'scenes'"),
        ('S3DISBlocks', dict(num_points=0), 'num_points .* got 0'),
        ('ScanNetScenes', dict(task='parts'), "'parts'"),
        ('ScanNetScenes', dict(metainfo=dict(classes='sofa')), r"\('sofa',\)"),
        ('PointFolder', dict(classes='chair'), r"\('chair',\)"),
        ('ScanNetScenes', dict(samples_per_scene=0), 'got 0'),
        ('ScanNetFrames', dict(frame_stride=0), 'frame_stride'),
        ('ScanNetFrames', dict(holdout=1.0), 'holdout'),
    ],
)
def test_wrong_options(kind: str, options: dict, offender: str) -> None:
    cfg = dict(type=kind, data_root='nowhere', split='train', lazy_init=True)
    with pytest.raises(ValueError, match=offender):
        DATASETS.build(cfg | options)


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        ('RandomPointScaleShift', dict(scale_range=(2, 1))),
        ('RandomPointScaleShift', dict(shift_range=-1)),
        ('RandomPointRotation', dict(axis='up')),
        ('RandomPointRotation', dict(axis=(0, 0, 0))),
        ('RandomPointRotation', dict(angle_range=(1,))),
        ('RandomPointDropout', dict(max_ratio=1)),
        ('RandomCuboidCrop', dict(crop_range=(0, 1))),
        ('RandomCuboidCrop', dict(min_points=0)),
        ('GroupPoints', dict(group_size=0, num_groups=4)),
        ('GroupPoints', dict(num_groups=0, group_size=4)),
        ('SamplePoints', dict(num_points=0)),
        ('SamplePoints', dict(method='grid', num_points=1)),
        ('SamplePoints', dict(replace=True, num_points=1, method='fps')),
        ('LoadPointCloud', dict(use_dim=2)),
        ('LoadPointCloud', dict(label_column=3, use_dim=4)),
        ('LoadScene', dict(use_dim=4)),
        ('LoadScene', dict(on_empty='skip')),
        ('LoadScene', dict(on_empty='origin', with_semantic_mask=True)),
        ('LoadRoomBlock', dict(use_dim=4, num_points=8)),
        ('LoadRoomBlock', dict(num_points=0)),
        ('LoadRoomBlock', dict(block_size=0, num_points=8)),
        ('LoadFrame', dict(coordinates='rig')),
        ('LoadFrame', dict(max_depth=0.05)),
        ('PrepareImage', dict(size=0)),
        ('PrepareImage', dict(crop='no')),
    ],
)
def test_wrong_options_of_transforms(kind: str, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TRANSFORMS.build(dict(type=kind, **options))


@pytest.mark.parametrize(
    ('options', 'inner', 'offender'),
    [
        (dict(way=1), {}, 'way=1'),
        ({}, dict(split='trainval'), "'trainval'"),
    ],
)
def test_no_fold(options: dict, inner: dict, offender: str) -> None:
    inner = dict(type='PointFolder', split='train') | inner
    with pytest.raises(ValueError, match=offender):
        DATASETS.build(dict(type='FewShotDraw', dataset=inner, **options))


def test_no_index() -> None:
    for index in (10, -11):
        with pytest.raises(IndexError, match=f'got {index}'):
            rng_key(index, 10)
