from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic.room_scan import RoomScanOptions
from mmdet3d_act.synthetic.room_writer import (
    SceneSetOptions,
    make_room_scan,
    plan_rooms,
    write_scenes,
)

from .scene_sets import SMALL_SET

TINY = SceneSetOptions(
    num_train=2,
    num_val=1,
    scan=RoomScanOptions(num_points=300, num_views=2, width=32, height=24),
)


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_writes_what_the_scan_holds(scene_root: Path) -> None:
    job = plan_rooms(SMALL_SET)[0]
    scan = make_room_scan(job, SMALL_SET)
    folder = scene_root / 'scannet'
    for name, kind, values in (
        ('points', np.float32, scan.points),
        ('semantic_mask', np.int64, scan.semantic),
        ('instance_mask', np.int64, scan.instance),
    ):
        read = np.fromfile(folder / name / 'scene0000_00.bin', kind)
        np.testing.assert_array_equal(read, values.ravel())
    stem = folder / 'scannet_instance_data' / 'scene0000_00'
    boxes = np.load(f'{stem}_aligned_bbox.npy')
    np.testing.assert_array_equal(boxes, scan.boxes)
    dropped = np.load(f'{stem}_dropped.npy')
    np.testing.assert_array_equal(dropped, scan.dropped)


def test_frames_are_laid_out_as_exported(scene_root: Path) -> None:
    from PIL import Image

    scan = make_room_scan(plan_rooms(SMALL_SET)[0], SMALL_SET)
    folder = scene_root / 'scannet_frames' / 'scene0000_00'
    assert len(list((folder / 'color').iterdir())) == 12
    for index in (0, 11):
        frame, number = scan.frames[index], 25 * index
        color = Image.open(folder / 'color' / f'{number}.jpg')
        difference = np.asarray(color).astype(float) - frame.color
        assert np.abs(difference).mean() < 5
        depth = np.asarray(Image.open(folder / 'depth' / f'{number}.png'))
        assert depth.dtype in (np.uint16, np.int32)
        np.testing.assert_array_equal(depth, frame.depth)
        pose = np.loadtxt(folder / 'pose' / f'{number}.txt')
        np.testing.assert_allclose(pose, frame.pose, atol=1e-6)
    for name in ('color', 'depth'):
        path = folder / 'intrinsic' / f'intrinsic_{name}.txt'
        np.testing.assert_allclose(np.loadtxt(path), scan.intrinsic)


def test_the_tree_is_as_promised(scene_root: Path) -> None:
    scenes = {f'scene000{i}_00.bin' for i in range(4)} | {'scene5000_00.bin'}
    for name in ('points', 'semantic_mask', 'instance_mask'):
        folder = scene_root / 'scannet' / name
        assert {path.name for path in folder.iterdir()} == scenes
    listed = scene_root / 'scannet' / 'meta_data' / 'scannetv2_val.txt'
    assert listed.read_text() == 'scene5000_00\n'
    assert {path.name for path in scene_root.iterdir()} == {
        'scannet',
        'scannet_frames',
        'synthetic_scenes.json',
    }


def test_workers_and_other_rooms_do_not_change_a_room(tmp_path: Path) -> None:
    write_scenes(tmp_path / 'one', TINY)
    write_scenes(tmp_path / 'two', TINY, num_workers=2)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    fewer = dataclasses.replace(TINY, num_train=1, frames=False)
    write_scenes(tmp_path / 'few', fewer)
    assert not (tmp_path / 'few' / 'scannet_frames').exists()
    for scene in ('scene0000_00', 'scene5000_00'):
        name = f'scannet/points/{scene}.bin'
        assert (tmp_path / 'one' / name).read_bytes() == (
            tmp_path / 'few' / name
        ).read_bytes()


def test_splits_and_seeds_differ() -> None:
    jobs = plan_rooms(TINY)
    seeded = dataclasses.replace(TINY, seed=1)
    clouds = {
        make_room_scan(job, options).points.tobytes()
        for job in jobs
        for options in (TINY, seeded)
    }
    assert len(clouds) == 2 * len(jobs)


def test_an_interrupted_set_is_completed(tmp_path: Path) -> None:
    write_scenes(tmp_path, TINY)
    whole = contents(tmp_path)
    assert not write_scenes(tmp_path, TINY)
    stem = tmp_path / 'scannet'
    (stem / 'scannet_instance_data/scene0001_00_aligned_bbox.npy').unlink()
    (stem / 'points/scene0001_00.bin').write_bytes(b'half')
    (stem / 'scannet_infos_val.pkl').unlink()
    seen = []
    assert write_scenes(tmp_path, TINY, progress=lambda *at: seen.append(at))
    assert contents(tmp_path) == whole
    assert seen == [(2, 3), (3, 3)]


def test_other_options_are_refused_or_replace(tmp_path: Path) -> None:
    write_scenes(tmp_path, TINY)
    mine = tmp_path / 'scannet' / 'notes.txt'
    mine.write_text('keep')
    other = dataclasses.replace(TINY, num_train=1, frames=False, seed=3)
    with pytest.raises(ValueError, match='num_train: 2 there, 1 now, seed'):
        write_scenes(tmp_path, other)
    assert write_scenes(tmp_path, other, overwrite=True)
    names = set(contents(tmp_path))
    assert not [name for name in names if 'scene0001' in name]
    assert not [name for name in names if 'color' in name]
    assert mine.read_text() == 'keep'


def test_a_set_grows_by_the_rooms_that_it_lacks(tmp_path: Path) -> None:
    write_scenes(tmp_path / 'whole', TINY)
    fewer = dataclasses.replace(TINY, num_train=1, num_val=0)
    write_scenes(tmp_path / 'grown', fewer)
    kept = tmp_path / 'grown/scannet/points/scene0000_00.bin'
    before = kept.stat().st_mtime_ns
    seen = []
    assert write_scenes(
        tmp_path / 'grown', TINY, progress=lambda *at: seen.append(at)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert kept.stat().st_mtime_ns == before
    assert contents(tmp_path / 'grown') == contents(tmp_path / 'whole')
    assert not write_scenes(tmp_path / 'grown', TINY)


def test_growth_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    write_scenes(tmp_path / 'whole', TINY)
    write_scenes(tmp_path / 'set', dataclasses.replace(TINY, num_val=0))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / 'set', TINY, progress=stop)
    assert write_scenes(tmp_path / 'set', TINY)
    assert contents(tmp_path / 'set') == contents(tmp_path / 'whole')


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(num_val=0), 'num_val: 1 there, 0 now'),
        (dict(num_train=3, seed=1), 'num_train: 2 there, 3 now, seed'),
        (
            dict(num_train=3, scan=dataclasses.replace(TINY.scan, noise=0)),
            'noise: 0.4 there, 0 now',
        ),
    ],
)
def test_what_is_no_growth_is_refused(
    tmp_path: Path, change: dict, text: str
) -> None:
    write_scenes(tmp_path, TINY)
    before = contents(tmp_path)
    other = dataclasses.replace(TINY, **change)
    with pytest.raises(ValueError, match=text) as refused:
        write_scenes(tmp_path, other)
    assert 'rooms can be added to it where all other options' in str(
        refused.value
    )
    assert contents(tmp_path) == before


def test_scenes_of_other_origin_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / 'scannet'
    folder.mkdir()
    (folder / 'real.bin').write_bytes(b'')
    with pytest.raises(ValueError, match='did not write'):
        write_scenes(tmp_path, TINY, overwrite=True)


@pytest.mark.parametrize(
    ('name', 'value', 'text'),
    [('num_train', -1, 'at least 0'), ('num_val', 5001, 'at most 5000')],
)
def test_numbers_out_of_range_are_refused(
    name: str, value: int, text: str
) -> None:
    with pytest.raises(ValueError, match=f'{name} must be {text}'):
        SceneSetOptions(**{name: value})
