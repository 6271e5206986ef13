from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError, S3DISBlocks
from tests.segmentation_data import room_rows, write_rooms

BLOCKS = [dict(type='LoadRoomBlock', num_points=256, min_points=100)]
OPTIONS = dict(num_points=256, pipeline=BLOCKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An office and a hallway in areas 1, 2 and 5."""
    return write_rooms(tmp_path, areas=(1, 2, 5))


def _build(folder: Path, split: str, **options: object) -> S3DISBlocks:
    options = OPTIONS | dict(on_error='skip') | options
    return S3DISBlocks(str(folder), split, **options)


def _rooms(dataset: S3DISBlocks) -> list[str]:
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [Path(info['lidar_path']).stem for info in infos]


@pytest.mark.parametrize('inner', ['', 'stanford_indoor3d'])
def test_areas(folder: Path, inner: str) -> None:
    train = _build(folder / inner, 'train', samples='rooms')
    assert _rooms(train) == [
        f'Area_{area}_{room}'
        for area in (1, 2)
        for room in ('hallway_1', 'office_1')
    ]
    (folder / 'stanford_indoor3d' / 'conversion.json').write_text('{}')
    (folder / 'stanford_indoor3d' / 'Area_9_office_1.npy').write_text('')
    test = _build(folder / inner, 'test', samples='rooms')
    assert _rooms(test) == ['Area_5_hallway_1', 'Area_5_office_1']
    info = test.get_data_info(0)
    assert (info['area'], info['room_type']) == (5, 'hallway')
    assert (info['split'], info['num_points']) == ('test', 8000)


@pytest.mark.parametrize('value', [(1, 2), [2, 1], '1,2', '2 1', '1, 2'])
def test_test_areas_by_config(folder: Path, value: object) -> None:
    test = _build(folder, 'test', test_areas=value, samples='rooms')
    assert {room[:6] for room in _rooms(test)} == {'Area_1', 'Area_2'}
    train = _build(folder, 'train', test_areas=value, samples='rooms')
    assert {room[:6] for room in _rooms(train)} == {'Area_5'}


def test_an_epoch_has_as_many_points_as_the_rooms(folder: Path) -> None:
    """24000 points are 93 blocks of 256, a third and a sixth of each kind."""
    dataset = _build(folder, 'train')
    rooms = _rooms(dataset)
    assert {name: rooms.count(name) for name in rooms} == {
        'Area_1_hallway_1': 31,
        'Area_1_office_1': 16,
        'Area_2_hallway_1': 31,
        'Area_2_office_1': 16,
    }
    assert len(_build(folder, 'train', sample_rate=0.1)) == 9 + 1
    with pytest.raises(ValueError, match='24000 points make no block of 30'):
        _build(folder, 'train', num_points=30000)


def test_label_fraction_is_one_of_rooms(folder: Path) -> None:
    """Blocks of other rooms do not occur."""
    dataset = _build(folder, 'train', label_fraction=0.5)
    assert len(set(_rooms(dataset))) == 2
    quarter = _build(folder, 'train', label_fraction=0.25)
    assert set(_rooms(quarter)) < set(_rooms(dataset))


def test_class_weights(folder: Path) -> None:
    dataset = _build(folder, 'train')
    weights = dataset.class_weights()
    labels = np.concatenate(
        [
            np.load(path)[:, 6].astype(int)
            for path in (folder / 'stanford_indoor3d').iterdir()
            if 'Area_5' not in path.name
        ]
    )
    shares = np.bincount(labels, minlength=13) / len(labels)
    assert len(weights) == 13
    for label in (0, 1, 2, 12):
        wanted = (shares.max() / shares[label]) ** (1 / 3)
        assert weights[label] == pytest.approx(wanted)
    assert {weights[label] for label in range(3, 12)} == {1.0}


def test_bad_rooms(folder: Path, logged: pytest.LogCaptureFixture) -> None:
    path = folder / 'stanford_indoor3d' / 'Area_1_office_1.npy'
    path.write_bytes(path.read_bytes()[:-8])
    options = dict(test_areas=(5, 3, 4, 6))
    with pytest.raises(BadSampleError, match=r'Area_1_office_1.npy: unread'):
        _build(folder, 'train', on_error='raise', **options)
    assert 'Area_1_office_1' not in _rooms(_build(folder, 'train'))
    assert 'left out a room' in logged.text


def test_bad_labels_are_found_when_a_block_is_read(folder: Path) -> None:
    rows = room_rows(4000, np.random.default_rng(0))
    rows[7, 6] = 13
    np.save(folder / 'stanford_indoor3d' / 'Area_5_office_1.npy', rows)
    dataset = _build(folder, 'test', samples='rooms', on_error='raise')
    with pytest.raises(BadSampleError, match='13 of point 7'):
        dataset[1]
    with pytest.raises(BadSampleError, match='13 of point 7'):
        dataset.class_weights()
    skipping = _build(folder, 'test', samples='rooms')
    assert skipping[1]['lidar_path'].endswith('Area_5_hallway_1.npy')
    assert max(skipping.class_weights()) > 1


def test_gaps_are_named(
    folder: Path, logged: pytest.LogCaptureFixture
) -> None:
    _build(folder, 'test')
    assert "lacks rooms; found by area: {5: '2 of 68'}" in logged.text
    cfg = dict(type='S3DISBlocks', data_root=str(folder), split='train')
    (text,) = S3DISBlocks.check_requirements(cfg)
    assert 'the rooms of area 3 at' in text
    assert 's3dis.py RAW OUT' in text
    assert S3DISBlocks.check_requirements(cfg | dict(split='test')) == []
