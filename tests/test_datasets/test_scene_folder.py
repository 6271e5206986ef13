"""Folders of one's own scans, with labels of points or with boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.apis import prepare_config
from mmdet3d_act.apis.training import check_files
from mmdet3d_act.checkpoint import CheckpointError, resolve_checkpoint
from mmdet3d_act.datasets import BadSampleError, SceneFolder
from mmdet3d_act.datasets.scene_folder import read_class_list
from mmdet3d_act.engine import launch
from mmdet3d_act.registry import gravity_boxes
from tests.mini_scannet import write_scan, write_scans
from tests.small_data import ROOT

pytest.importorskip('mmdet3d')

STEPS = [dict(type='LoadFolderScene')]
# A corner of each side, so that the extent is known: 4 x 3 x 2.
POINTS = np.random.default_rng(0).uniform(0, 1, (60, 3)) * [4, 3, 2]
POINTS[:2] = [0, 0, 0], [4, 3, 2]
LABELS = np.arange(60) % 3 * 2  # 0, 2, 4


def write(path: Path, points: np.ndarray, labels: np.ndarray) -> None:
    """Write points and labels as files of this suffix have them."""
    rows = np.column_stack([points, labels])
    if path.suffix == '.npy':
        np.save(path, rows)
    elif path.suffix == '.txt':
        np.savetxt(path, rows, header='X Y Z scalar_Label')
    elif path.suffix == '.ply':
        write_scan(path, points, Classification=labels.astype('u1'))
    else:
        laspy = pytest.importorskip('laspy')
        header = laspy.LasHeader(point_format=6, version='1.4')
        header.scales = [1e-4] * 3
        scan = laspy.LasData(header)
        scan.xyz, scan.classification = points, labels.astype('u1')
        scan.write(path)


@pytest.mark.parametrize('suffix', ['npy', 'txt', 'ply', 'laz'])
def test_labels_are_found_in_every_format(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f'a.{suffix}', POINTS, LABELS)
    data = SceneFolder(str(tmp_path), pipeline=STEPS)
    # Of LAS files 0 and 1 say that a point has no class.
    names, values = ('0', '2', '4'), (0, 2, 4)
    if suffix == 'laz':
        names, values = ('ground', 'medium vegetation'), (2, 4)
    assert data.metainfo['classes'] == names
    assert (data.metainfo['up_axis'], data.metainfo['normalization']) == (
        'z',
        'none',
    )
    assert data.metainfo['label_values'] == values
    found = data[0]
    places = {value: place for place, value in enumerate(values)}
    expected = [places.get(label, 255) for label in LABELS]
    assert found['pts_semantic_mask'].tolist() == expected
    # The middle of the floor is the origin, but for a few points below it.
    coords = found['points'].tensor.numpy()
    expected = POINTS - [2, 1.5, np.percentile(POINTS[:, 2], 0.99)]
    np.testing.assert_allclose(coords, expected, atol=1e-3)


def test_a_list_of_classes_names_them_and_others_do_not_count(
    tmp_path: Path,
) -> None:
    write(tmp_path / 'a.npy', POINTS, LABELS - 2)  # -2, 0, 2
    (tmp_path / 'classes.txt').write_text('# mine\n2 tree trunk\n7 car\n')
    data = SceneFolder(str(tmp_path), pipeline=STEPS)
    assert len(data) == 1
    assert data.metainfo['classes'] == ('tree trunk', 'car')
    wanted = np.where(LABELS == 4, 0, 255)
    assert data[0]['pts_semantic_mask'].tolist() == wanted.tolist()
    # Without a list, what is negative does not count.
    (tmp_path / 'classes.txt').unlink()
    data = SceneFolder(str(tmp_path), pipeline=STEPS)
    assert data.metainfo['classes'] == ('0', '2')
    wanted = np.array([255, 0, 1])[LABELS // 2]
    assert data[0]['pts_semantic_mask'].tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ('text', 'classes'),
    [
        ('3\tdesk, chair\n-1: none\n', {-1: 'none', 3: 'desk, chair'}),
        ('wall\n3 seater\n', {0: 'wall', 1: '3 seater'}),
    ],
)
def test_lists_of_classes(text: str, classes: dict, tmp_path: Path) -> None:
    path = tmp_path / 'classes.txt'
    path.write_text(text)
    assert read_class_list(str(path)) == classes
    path.write_text('1 wall\n1 floor\n')
    with pytest.raises(BadSampleError, match=r'classes\.txt'):
        read_class_list(str(path))


def test_a_column_is_named_or_counted(tmp_path: Path) -> None:
    rows = np.column_stack([POINTS, LABELS, np.arange(60) / 7])
    np.save(tmp_path / 'a.npy', rows)
    for told in (
        dict(labels='3'),
        dict(labels=3),
        dict(columns=('kind', 'height'), labels='Kind'),
        dict(columns=('class', 'height')),
    ):
        data = SceneFolder(str(tmp_path), pipeline=STEPS, **told)
        assert data.metainfo['classes'] == ('0', '2', '4')
        assert len(set(data[0]['pts_semantic_mask'].tolist())) == 3
    for told, offender in (
        (dict(), 'whole numbers'),
        (dict(labels=9), 'column 9'),
        (dict(columns=('kind', 'height')), 'x, y, z, kind, height'),
    ):
        with pytest.raises(BadSampleError, match=offender):
            SceneFolder(str(tmp_path), pipeline=STEPS, **told)
    np.save(tmp_path / 'a.npy', np.random.rand(400, 4) * 0 + np.arange(4))
    rows = np.column_stack([np.random.rand(400, 3), np.arange(400)])
    np.save(tmp_path / 'b.npy', rows)
    with pytest.raises(BadSampleError, match=r'b\.npy: more than 250'):
        SceneFolder(str(tmp_path), pipeline=STEPS)


def test_splits_are_drawn_where_there_are_none(tmp_path: Path) -> None:
    options = dict(split_ratio='auto', pipeline=STEPS)
    write(tmp_path / '0.npy', POINTS, LABELS)
    with pytest.raises(ValueError, match=r'has 1 of .* folders train/'):
        SceneFolder(str(tmp_path), 'train', **options)
    for number in range(10):
        write(tmp_path / f'{number}.npy', POINTS, LABELS)
    train, test = (
        SceneFolder(str(tmp_path), split, **options)
        for split in ('train', 'test')
    )
    assert (len(train), len(test)) == (8, 2)
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        (tmp_path / f'{len(split)}.npy').rename(tmp_path / split / 'a.npy')
    (of_val,) = SceneFolder(str(tmp_path), 'test', **options).load_data_list()
    assert of_val['lidar_path'] == str(tmp_path / 'val' / 'a.npy')


BOX = dict(label='table', center=[1, 0.5, 0.4], size=[1.2, 0.6, 0.8], yaw=0.3)


def detection(folder: Path, **options: object) -> SceneFolder:
    return SceneFolder(
        str(folder), task='detection', pipeline=STEPS, **options
    )


@pytest.mark.parametrize('suffix', ['.json', '.npy.json', '.csv'])
def test_boxes_lie_where_the_points_are(suffix: str, tmp_path: Path) -> None:
    place = np.array([448000, 5412000, 100])
    np.save(tmp_path / 'a.npy', POINTS + place)
    np.save(tmp_path / 'without.npy', POINTS)
    box = dict(BOX, center=(np.array(BOX['center']) + place).tolist())
    path = tmp_path / f'a{suffix}'
    path.write_text(json.dumps(dict(boxes=[box])))
    if suffix == '.csv':
        numbers = [*box['center'], *box['size'], box['yaw']]
        row = ','.join(map(str, ['table', *numbers]))
        path.write_text(f'label,x,y,z,dx,dy,dz,yaw\n{row}\n')
    data = detection(tmp_path)
    assert data.metainfo['classes'] == ('table',)
    assert len(data) == 1
    found = data[0]
    assert found['gt_labels_3d'].tolist() == [0]
    corner = found['points'].tensor[0].numpy()
    expected = [*(BOX['center'] + corner), *BOX['size'], 0.3]
    got = gravity_boxes(found['gt_bboxes_3d']).numpy()
    np.testing.assert_allclose(got, [expected], atol=1e-3)


def test_splits_are_drawn_of_scans_with_boxes(tmp_path: Path) -> None:
    for number in range(50):
        np.save(tmp_path / f'{number}.npy', POINTS)
    for number in range(5):
        (tmp_path / f'{number}.json').write_text(json.dumps([BOX]))
    train, test = (
        detection(tmp_path, split=split, split_ratio='auto')
        for split in ('train', 'test')
    )
    assert (len(train), len(test)) == (4, 1)


def test_boxes_of_classes_that_are_not_listed_are_told(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / 'a.npy', POINTS)
    boxes = [BOX, dict(BOX, label='lamp')]
    (tmp_path / 'a.json').write_text(json.dumps(boxes))
    (tmp_path / 'classes.txt').write_text('chair\nlamp\n')
    assert detection(tmp_path)[0]['gt_labels_3d'].tolist() == [1]
    assert "['table'] are left out" in logged.text


def test_boxes_are_turned_and_scaled_as_points(tmp_path: Path) -> None:
    """Millimetres, y up: y, z, x of the file are z, x, y of the model."""
    np.save(tmp_path / 'a.npy', 1000 * POINTS[:, [1, 2, 0]])
    box = dict(
        label='table',
        center=[1000 * BOX['center'][axis] for axis in (1, 2, 0)],
        size=[1000 * BOX['size'][axis] for axis in (1, 2, 0)],
    )
    (tmp_path / 'a.json').write_text(json.dumps([box]))
    data = detection(tmp_path, up_axis='y', scale=0.001)
    found = data[0]
    corner = found['points'].tensor[0].numpy()
    got = gravity_boxes(found['gt_bboxes_3d']).numpy()
    expected = [*(BOX['center'] + corner), *BOX['size'], 0]
    np.testing.assert_allclose(got, [expected], atol=1e-3)
    assert not found['gt_bboxes_3d'].with_yaw


def test_another_unit_is_warned_of(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / 'a.npy', 1000 * POINTS, LABELS)
    SceneFolder(str(tmp_path), pipeline=STEPS)
    assert '1 of 1 scans look like millimetres' in logged.text
    assert 'scale=0.001 (ACT_SCALE)' in logged.text


@pytest.mark.parametrize(
    ('text', 'offender'),
    [
        ('{"boxes": [{"label": "a"}]}', 'center'),
        ('[{"label": "a", "center": [1, 2], "size": [1, 1, 1]}]', '1, 2, 1'),
        ('no json', r'a\.json'),
    ],
)
def test_bad_boxes_are_named(text: str, offender: str, tmp_path: Path) -> None:
    np.save(tmp_path / 'a.npy', POINTS)
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(BadSampleError, match=offender):
        detection(tmp_path)


def test_a_folder_without_boxes_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / 'a.npy', POINTS)
    cfg = dict(type='SceneFolder', data_root=str(tmp_path), task='detection')
    (problem,) = SceneFolder.check_requirements(cfg)
    assert str(tmp_path / 'a.json') in problem


@pytest.mark.parametrize('turned', [False, True])
def test_a_config_takes_classes_from_the_folder(
    turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_scans(tmp_path / 'scans', 3)
    monkeypatch.setenv('ACT_CLOUDS', str(folder))
    monkeypatch.setenv('ACT_PRETRAINED', 'act-mini')
    if turned:
        (folder / 'room0.json').write_text(json.dumps([BOX]))
    configs = ROOT / 'configs' / 'act'
    cfg = prepare_config(str(configs / 'act_semseg_folder_tiny.py'))
    assert cfg.model.decode_head.num_classes == 2
    # What is written beside checkpoints does not look at the folder again.
    assert cfg.classes_from_data is False
    cfg = prepare_config(str(configs / 'act_3detr_folder_tiny.py'))
    head = cfg.model.bbox_head
    assert (head.num_classes, head.loss.num_classes) == (3, 3)
    bins = 12 if turned else 1
    assert (head.num_angle_bins, head.box_coder.num_angle_bins) == (bins, bins)
    classes = tmp_path / 'classes'
    for name in ('jar', 'cup', 'bowl'):
        (classes / name).mkdir(parents=True)
        for number in range(4):
            np.save(classes / name / f'{number}.npy', POINTS)
    monkeypatch.setenv('ACT_CLOUDS', str(classes))
    cfg = prepare_config(str(configs / 'act_cls_folder_tiny.py'))
    assert cfg.model.head.num_classes == 3
    monkeypatch.setenv('ACT_CLOUDS', str(tmp_path / 'gone'))
    with pytest.raises(launch.UsageError, match='gone'):
        prepare_config(str(configs / 'act_cls_folder_tiny.py'))


def save_file_of_student(folder: Path) -> Path:
    path = folder / 'student.safetensors'
    path.write_bytes(Path(resolve_checkpoint('act-mini')).read_bytes())
    return path


def test_a_check_opens_files_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_scans(tmp_path / 'scans', 5)
    monkeypatch.setenv('ACT_CLOUDS', str(folder))
    weights = save_file_of_student(tmp_path)
    monkeypatch.setenv('ACT_PRETRAINED', str(weights))
    config = str(ROOT / 'configs' / 'act' / 'act_3detr_folder_tiny.py')
    assert check_files(prepare_config(config), config) == []
    (folder / 'room1.ply').write_text('no cloud')
    cfg = prepare_config(config)
    with pytest.raises(launch.UsageError, match=r'1 of .*\n.*room1\.ply'):
        check_files(cfg, config)
    cfg.train_dataloader.dataset.on_error = 'skip'
    cfg.val_dataloader.dataset.on_error = 'skip'
    (fault,) = check_files(cfg, config)
    assert 'room1.ply' in fault
    weights.write_bytes(b'no weights')
    with pytest.raises(CheckpointError, match=weights.name):
        check_files(cfg, config)
