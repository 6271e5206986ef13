"""Frames of several scenes as pairs of a cloud and an image."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.datasets import BadSampleError, ScanNetFrames
from tests.rgbd_files import LOST, make_video, write_exported

READ = [
    dict(type='LoadFrame', min_points=16),
    dict(type='LoadImage'),
    dict(type='PrepareImage', size=16),
]
PIPELINE = [
    *READ,
    dict(type='SamplePoints', num_points=32),
    dict(type='NormalizeToUnitSphere'),
    dict(type='PackPointInputs'),
]
NUMBERS = [0, 25, 30, 50, 75, 100]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three scenes, with lists of scenes."""
    root = tmp_path / 'scannet_frames'
    for seed, name in enumerate(('scene0000_00', 'scene0001_00')):
        write_exported(root / name, make_video(6, seed), NUMBERS)
    write_exported(root / 'scene0002_00', make_video(3, 2), [0, 25, 50])
    train = 'scene0000_00\nscene0002_00\n'
    (root / 'scannetv2_train.txt').write_text(train)
    (root / 'scannetv2_val.txt').write_text('scene0001_00\n')
    return root


def _keys(root: Path, split: str, **settings: object) -> list[str]:
    # Serialising a list collects garbage, which takes its time.
    settings['serialize_data'] = False
    return ScanNetFrames(str(root), split, **settings).pair_keys()


def test_every_25th_frame_of_the_scenes_of_a_split(root: Path) -> None:
    first = [f'scene0000_00/{n:06d}' for n in (0, 25, 50, 75, 100)]
    third = [f'scene0002_00/{n:06d}' for n in (0, 25, 50)]
    second = [key.replace('0000_00/', '0001_00/') for key in first]
    assert _keys(root, 'train') == first + third
    assert _keys(root, 'val') == second
    assert _keys(root, 'trainval') == first + third + second
    assert _keys(root, 'all') == first + second + third
    assert len(_keys(root, 'val', frame_stride=10)) == 4
    assert len(_keys(root, 'train', label_fraction=0.5)) == 4
    folder = root.parent / 'scannet' / 'meta_data'
    folder.mkdir(parents=True)
    (root / 'scannetv2_val.txt').rename(folder / 'scannetv2_val.txt')
    assert _keys(root, 'val') == second


def test_a_sample(root: Path) -> None:
    dataset = ScanNetFrames(str(root), 'trainval', pipeline=PIPELINE)
    assert len(dataset) == 13
    packed = dataset[6]
    inputs, sample = packed['inputs'], packed['data_samples']
    assert sample.pair_key == 'scene0002_00/000025'
    assert sample.split == 'train'
    image = dataset.prepared_image(sample.pair_key)
    assert torch.equal(image, inputs['images'])
    assert inputs['points'].shape == (32, 3)
    assert inputs['images'].shape == (3, 16, 16)
    assert inputs['pixels'].shape == (32, 2)
    assert inputs['pixels'].dtype == torch.float32
    radius = inputs['points'].norm(dim=1).max()
    assert float(radius) == pytest.approx(1, abs=1e-5)
    assert dataset.metainfo['up_axis'] == 'y'
    assert dataset.metainfo['normalization'] == 'unit_sphere'


def test_images_by_the_names_of_their_pairs(root: Path) -> None:
    steps = [dict(type='LoadImage'), dict(type='PrepareImage', size=5)]
    for options in (dict(static_pipeline=steps), dict(pipeline=steps[1:])):
        dataset = ScanNetFrames(str(root), 'val', **options)
        assert dataset.image_preparation == dict(size=5, crop='center')
        images = [*map(dataset.prepared_image, dataset.pair_keys())]
        assert len(images) == 5
        assert all(one.shape == (3, 5, 5) for one in images)
        assert not torch.equal(images[0], images[1])
        with pytest.raises(KeyError, match='other'):
            dataset.prepared_image('other')
    dataset.get_subset_([2])
    assert dataset.pair_keys() == ['scene0001_00/000050']
    with pytest.raises(ValueError, match=r'nothing says how large .*Prepare'):
        _ = ScanNetFrames(str(root)).image_preparation


def test_what_the_meta_information_says(root: Path) -> None:
    pipeline = [dict(type='LoadFrame', coordinates='world')]
    meta = ScanNetFrames(str(root), pipeline=pipeline).metainfo
    assert (meta['up_axis'], meta['normalization']) == ('z', 'none')
    stated = ScanNetFrames(str(root), pipeline=pipeline, up_axis='x')
    assert stated.metainfo['up_axis'] == 'x'


def test_frames_without_a_pose_are_counted(
    root: Path, logged: pytest.LogCaptureFixture
) -> None:
    video = make_video(6)
    video.poses[1] = video.poses[3] = LOST
    write_exported(root / 'scene0001_00', video, NUMBERS)
    (root / 'scene0001_00' / 'depth' / '100.png').unlink()
    dataset = ScanNetFrames(str(root), 'val')
    assert [key[-3:] for key in dataset.pair_keys()] == ['000', '075']
    assert dataset.skipped == {
        'frames with an invalid pose': 2,
        'frames without depth or pose': 1,
    }
    assert (
        '2 frames of 1 scenes; left out: 2 frames with an inv' in logged.text
    )


def test_last_frames_are_held_out_without_lists(root: Path) -> None:
    for path in root.glob('*.txt'):
        path.unlink()
    train = _keys(root, 'train', holdout=0.4)
    val = _keys(root, 'val', holdout=0.4)
    assert [k for k in val if k.startswith('scene0000')] == [
        'scene0000_00/000075',
        'scene0000_00/000100',
    ]
    assert sum(k.startswith('scene0002') for k in val) == 1
    assert not set(train) & set(val)
    assert sorted(train + val) == _keys(root, 'all')
    with pytest.raises(FileNotFoundError, match=r'train scenes .* holdout=0'):
        _keys(root, 'train')


def test_what_is_missing(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'nowhere\. .*scannet_frames'):
        ScanNetFrames(str(root / 'nowhere'))
    (root / 'scannetv2_train.txt').write_text('scene0000_00\nscene0009_00\n')
    with pytest.raises(FileNotFoundError, match=r'1 of 2 listed .*scene0009'):
        ScanNetFrames(str(root))
    dataset = ScanNetFrames(str(root), on_error='skip')
    assert len(dataset) == 5
    assert dataset.skipped == {'scenes that are not there': 1}
    (problem,) = ScanNetFrames.check_requirements(
        dict(type='ScanNetFrames', data_root=str(root))
    )
    assert 'scene0009_00' in problem


def test_a_scene_that_cannot_be_read(root: Path) -> None:
    (root / 'scene0002_00' / 'intrinsic' / 'intrinsic_color.txt').unlink()
    with pytest.raises(BadSampleError, match=r'intrinsic_color\.txt'):
        ScanNetFrames(str(root))
    dataset = ScanNetFrames(str(root), on_error='skip')
    assert len(dataset) == 5
    assert dataset.skipped == {'scenes that cannot be read': 1}
