"""Sets on disk: their layout, and how they resume and grow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.ops import count_points_in_boxes
from mmdet3d_act.registry import gravity_boxes
from mmdet3d_act.synthetic.file_set import FileSet
from mmdet3d_act.synthetic.room_scan import RoomScanOptions
from mmdet3d_act.synthetic.shape_scan import ScanOptions
from mmdet3d_act.synthetic.shape_set import ShapeSet
from tests.test_tools.loading import load_tool

RoomSet = load_tool('room_set').RoomSet
TurnedRoomSet = load_tool('dataset_converters.turned_room_set').TurnedRoomSet
SHAPES = ShapeSet(
    num_pretrain=5,
    num_pretrain_test=2,
    num_train_per_class=2,
    num_val_per_class=1,
    num_test_per_class=1,
    num_points=64,
    categories=('mug', 'chair'),
)
TINY = RoomScanOptions(num_points=300, num_views=2, width=32, height=24)
ROOMS = RoomSet(num_train=2, num_val=1, scan=TINY)
SETS = pytest.mark.parametrize(
    'whole', [SHAPES, ROOMS], ids=['shapes', 'rooms']
)

# The first four rooms of a split hold all classes.
SMALL_SET = RoomSet(
    num_train=4,
    num_val=1,
    scan=RoomScanOptions(
        num_points=9000, num_views=12, width=96, height=72, min_points=5
    ),
)


@pytest.fixture(scope='module')
def scene_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small set of rooms; nobody may change it."""
    root = tmp_path_factory.mktemp('rooms')
    SMALL_SET.write(root)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_shapes_are_laid_out_as_promised(tmp_path: Path) -> None:
    SHAPES.write(tmp_path)
    paths = [task.path for task in SHAPES.tasks()]
    assert paths[0].endswith('pc/03001627-pretrain00000.npy')
    assert paths[7] == 'procscan/train/chair/chair_0000.npy'
    for task in SHAPES.tasks():
        points = np.load(tmp_path / task.path)
        cloud = SHAPES.cloud(task)
        np.testing.assert_array_equal(points, cloud.points)
        assert points.dtype == np.float32
    root = tmp_path / 'ShapeNet55-34'
    listed = (root / 'ShapeNet-55/train.txt').read_text().split()
    listed += (root / 'ShapeNet-55/test.txt').read_text().split()
    assert len(listed) == 7
    assert {path.name for path in (root / 'shapenet_pc').iterdir()} == {
        *listed
    }


def test_rooms_are_laid_out_as_promised(scene_root: Path) -> None:
    from PIL import Image

    scan = SMALL_SET.room_scan(SMALL_SET.tasks()[0])
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
    np.testing.assert_array_equal(boxes[:, :6], scan.boxes[:, :6])
    np.testing.assert_array_equal(boxes[:, 6], scan.box_labels)
    frames = scene_root / 'scannet_frames' / 'scene0000_00'
    assert len(list((frames / 'color').iterdir())) == 12
    for index in (0, 11):
        frame, number = scan.frames[index], 25 * index
        color = np.asarray(Image.open(frames / f'color/{number}.jpg'))
        assert np.abs(color.astype(float) - frame.color).mean() < 5
        depth = np.asarray(Image.open(frames / f'depth/{number}.png'))
        np.testing.assert_array_equal(depth, frame.depth)
        pose = np.loadtxt(frames / f'pose/{number}.txt')
        np.testing.assert_allclose(pose, frame.pose, atol=1e-6)
    for name in ('color', 'depth'):
        path = frames / f'intrinsic/intrinsic_{name}.txt'
        np.testing.assert_allclose(np.loadtxt(path), scan.intrinsic)
    listed = folder / 'meta_data/scannetv2_val.txt'
    assert listed.read_text() == 'scene5000_00\n'


@pytest.fixture(scope='module')
def turned_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small set of rooms with turned boxes."""
    root = tmp_path_factory.mktemp('turned')
    scan = dataclasses.replace(SMALL_SET.scan, turned=True)
    rooms = TurnedRoomSet(num_train=4, num_val=1, scan=scan)
    rooms.write(root)
    counts = rooms.count_boxes(root)
    assert counts['chair'] > counts['night_stand'] == 0
    return root


def test_the_stock_data_set_reads_turned_boxes(turned_root: Path) -> None:
    from PIL import Image

    dataset = stock_dataset(turned_root, 'sunrgbd-3d')
    assert len(dataset) == 4
    yaws = []
    for index in range(4):
        info = dataset.get_data_info(index)
        path = Path(info['lidar_points']['lidar_path'])
        points = np.fromfile(path, np.float32).reshape(-1, 6)
        boxes = gravity_boxes(info['ann_info']['gt_bboxes_3d'])
        yaws += boxes[:, 6].tolist()
        boxes[:, 3:6] += 0.1
        inside = count_points_in_boxes(torch.tensor(points[:, :3]), boxes)
        assert inside.min() >= 5
        # What the camera sees has the colour of the image's pixel.
        image = np.asarray(Image.open(info['img_path'])).astype(float)
        ahead = points[:, :3] @ info['depth2img'].T
        points, ahead = points[ahead[:, 2] > 0], ahead[ahead[:, 2] > 0]
        place = np.round(ahead[:, :2] / ahead[:, 2:]).astype(int)
        seen = ((place >= 0) & (place < [96, 72])).all(axis=1)
        pixels = image[place[seen, 1], place[seen, 0]]
        gap = np.abs(pixels - points[seen, 3:]).mean(axis=1)
        assert seen.sum() > 100
        assert np.median(gap) < 12
    assert np.ptp(np.array(yaws) % (np.pi / 2)) > 0.5


def test_scenes_are_listed_once_per_8192_points(scene_root: Path) -> None:
    folder = scene_root / 'scannet'
    indices = np.load(folder / 'seg_info/train_resampled_scene_idxs.npy')
    np.testing.assert_array_equal(indices, [0, 1, 2, 3])
    assert indices.dtype == np.int32


def stock_dataset(root: Path, name: str = 'scannet-3d') -> object:
    """Build MMDetection3D's data set of its own detection config."""
    pytest.importorskip('mmdet3d')
    from mmdet3d.registry import DATASETS
    from mmdet3d.utils import register_all_modules
    from mmengine.hub import get_config

    register_all_modules(init_default_scope=True)
    config = get_config(f'mmdet3d::_base_/datasets/{name}.py')
    dataset = config.train_dataloader.dataset.dataset
    dataset.data_root = f'{root}/{name.partition("-")[0]}/'
    return DATASETS.build(dataset)


def test_the_stock_detection_data_set_reads_them(scene_root: Path) -> None:
    dataset = stock_dataset(scene_root)
    assert len(dataset) == 4
    labels = []
    for index in range(4):
        sample = dataset[index]
        truth = sample['data_samples'].gt_instances_3d
        labels += truth.labels_3d.tolist()
        points = sample['inputs']['points'][:, None, :3]
        boxes = truth.bboxes_3d
        reach = (points - boxes.gravity_center).abs() - boxes.dims / 2
        mask = sample['data_samples'].gt_pts_seg.pts_semantic_mask
        own = (reach < 0.05).all(-1) & (mask[:, None] == truth.labels_3d)
        assert own.sum(0).min() >= 5
        # Points of a class are in a box of this class.
        assert own[mask < 18].any(1).float().mean() > 0.97
    assert set(labels) == set(range(18))


@SETS
def test_workers_and_other_tasks_change_nothing(
    tmp_path: Path, whole: FileSet
) -> None:
    whole.write(tmp_path / 'one')
    whole.write(tmp_path / 'two', num_workers=2)
    expected = contents(tmp_path / 'one')
    assert contents(tmp_path / 'two') == expected
    changes = {'num_train': 1, 'frames': False}
    if whole is SHAPES:
        changes = {
            'num_pretrain': 0,
            'num_pretrain_test': 0,
            'categories': ('mug',),
        }
    few = dataclasses.replace(whole, **changes)
    few.write(tmp_path / 'few')
    for task in few.tasks():
        for name in few.files(task):
            assert (tmp_path / 'few' / name).read_bytes() == expected[name]
    assert not (tmp_path / 'few' / 'scannet_frames').exists()


@SETS
def test_tasks_and_seeds_differ(whole: FileSet) -> None:
    seeded = dataclasses.replace(whole, seed=1)
    clouds = {
        (one.cloud if whole is SHAPES else one.room_scan)(
            task
        ).points.tobytes()
        for task in whole.tasks()
        for one in (whole, seeded)
    }
    assert len(clouds) == 2 * len(whole.tasks())


@SETS
def test_an_interrupted_set_is_completed(
    tmp_path: Path, whole: FileSet
) -> None:
    assert whole.write(tmp_path)
    expected = contents(tmp_path)
    assert not whole.write(tmp_path)
    (tmp_path / whole.files(whole.tasks()[1])[-1]).unlink()
    seen = []
    assert whole.write(tmp_path, progress=lambda *at: seen.append(at))
    assert contents(tmp_path) == expected
    total = len(whole.tasks())
    assert seen == [(total - 1, total), (total, total)]


@SETS
def test_a_set_grows_also_when_interrupted(
    tmp_path: Path, whole: FileSet
) -> None:
    whole.write(tmp_path / 'whole')
    fewer = {'num_train': 1, 'num_val': 0}
    if whole is SHAPES:
        fewer = {'num_pretrain': 3, 'num_train_per_class': 1}
    small, place = dataclasses.replace(whole, **fewer), tmp_path / 'set'
    small.write(place)
    kept = place / small.files(small.tasks()[0])[0]
    before = kept.stat().st_mtime_ns

    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole.write(place, progress=stop)
    assert whole.write(place)
    assert kept.stat().st_mtime_ns == before
    assert contents(place) == contents(tmp_path / 'whole')


def test_other_sets_are_refused(tmp_path: Path) -> None:
    ROOMS.write(tmp_path)
    before = contents(tmp_path)
    for change, name in (
        ({'num_val': 0}, 'num_val'),
        ({'num_train': 3, 'seed': 1}, 'seed'),
        ({'scan': dataclasses.replace(TINY, noise=0)}, 'noise'),
    ):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(ROOMS, **change).write(tmp_path)
    assert contents(tmp_path) == before
    (tmp_path / ROOMS.manifest).unlink()
    with pytest.raises(ValueError, match=r'scannet\b'):
        ROOMS.write(tmp_path)


@pytest.mark.parametrize(
    ('kind', 'name', 'value'),
    [
        (ShapeSet, 'num_points', 4),
        (ShapeSet, 'num_pretrain', -1),
        (ShapeSet, 'scan', ScanOptions(noise=-0.1)),
        (ShapeSet, 'categories', ('dragon',)),
        (RoomSet, 'scan', RoomScanOptions(num_views=0)),
        (RoomSet, 'num_train', 5001),
    ],
)
def test_options_out_of_range_are_refused(
    kind: type, name: str, value: object
) -> None:
    offender = {'scan': 'noise|num_views', 'categories': 'dragon'}
    with pytest.raises(ValueError, match=offender.get(name, name)):
        kind(**{name: value})
