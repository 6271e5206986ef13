"""What models say of scans: classes, parts, semantics, boxes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.apis import open_scans, predict_scans
from mmdet3d_act.apis.prediction import find_doubts, summarize_result
from mmdet3d_act.apis.scan_files import file_rows, name_outputs
from mmdet3d_act.datasets.readers.ply import read_ply
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.registry import DATASETS, point_data
from tests.test_apis.test_scene_pictures import BOXES, FOUND, Network

pytest.importorskip('mmdet3d')

CLASSES = ('bed', 'chair', 'sofa')
STEPS = [
    dict(type='LoadScene', with_semantic_mask=True),
    dict(type='PointSegClassMapping'),
    dict(type='PackPointInputs'),
]


def config(steps: list = STEPS, **dataset: object) -> Config:
    known = dict(
        type='ScanNetScenes', pipeline=steps, metainfo=dict(classes=CLASSES)
    )
    return Config(dict(test_dataloader=dict(dataset=known | dataset)))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A scan far from the origin, which lies in the middle of its floor."""
    points = np.random.default_rng(0).uniform(-2, 2, (300, 3))
    points[:, 2] += 2
    points[:3] = [-2, -2, 0], [2, 2, 4], [0, 0, 0]
    path = tmp_path / 'scan.v2.npy'
    np.save(path, (points + np.array([50, 60, 70])).astype(np.float32))
    return path


def infer(network: Network, scan: Path, out: Path, **options: object) -> tuple:
    scenes = open_scans(config(), [scan], 'config.py')
    options = dict(panel=64, warn=pytest.fail) | options
    (found,) = predict_scans(network, scenes, out, **options)
    return found


def test_boxes_are_in_the_coordinates_of_the_file(
    scan: Path, tmp_path: Path
) -> None:
    network = Network(pred_instances_3d=FOUND)
    result, paths = infer(network, scan, tmp_path / 'none', min_score=0.95)
    assert result.boxes.shape == (0, 7)
    assert json.loads(paths[0].read_text())['boxes'] == []
    result, paths = infer(network, scan, tmp_path / 'out', min_score=0.1)
    assert [path.name for path in paths] == [
        'scan.v2.npy.json',
        'scan.v2.npy.png',
    ]
    assert all(path.is_file() for path in paths)
    assert result.scores.tolist() == pytest.approx([0.9, 0.2])
    expected = BOXES[:, :3] + torch.tensor([50.0, 60, 70])
    np.testing.assert_allclose(result.boxes[:, :3], expected, atol=0.03)
    found = json.loads(paths[0].read_text())
    assert found['file'] == str(scan)
    assert [one['label'] for one in found['boxes']] == ['chair', 'sofa']
    assert found['boxes'][1]['size'] == BOXES[1, 3:].tolist()
    assert found['boxes'][1]['center'] == pytest.approx(
        expected[1].tolist(), abs=0.03
    )
    assert found['boxes'][0]['yaw'] == 0
    assert 'boxes: chair 1, sofa 1' in summarize_result(result)


def test_map_coordinates_stay_exact(scan: Path, tmp_path: Path) -> None:
    rows = np.load(scan).astype(np.float64)
    rows += np.array([448000, 5412000, 100])
    np.save(scan, rows)
    network = Network(pred_instances_3d=FOUND)
    result, paths = infer(network, scan, tmp_path / 'out', min_score=0.1)
    np.testing.assert_allclose(result.points, rows, rtol=0, atol=1e-3)
    middle = BOXES[0, :3].numpy() + np.array([448050, 5412060, 170])
    np.testing.assert_allclose(result.boxes[0, :3], middle, atol=0.03)
    written = json.loads(paths[0].read_text())['boxes'][0]['center']
    np.testing.assert_allclose(written, result.boxes[0, :3], atol=1e-4)
    labels = torch.arange(300) % 3
    network = Network(pred_pts_seg=point_data(pts_semantic_mask=labels))
    _, paths = infer(network, scan, tmp_path / 'out')
    np.testing.assert_allclose(file_rows(paths[1]), rows, rtol=0, atol=1e-6)


def test_classes_of_points(scan: Path, tmp_path: Path) -> None:
    labels = torch.arange(300) % 3
    network = Network(pred_pts_seg=point_data(pts_semantic_mask=labels))
    result, paths = infer(network, scan, tmp_path, html=True)
    suffixes = ['.json', '.ply', '.png', '.html']
    assert [path.suffix for path in paths] == suffixes
    np.testing.assert_array_equal(
        read_ply(str(paths[1])).points[:, -1], labels
    )
    np.testing.assert_allclose(file_rows(paths[1]), np.load(scan), atol=1e-4)
    told = json.loads(paths[0].read_text())
    assert told['classes'] == list(CLASSES)
    assert told['points'] == dict.fromkeys(CLASSES, 100)
    assert 'points: bed 100, chair 100, sofa 100' in summarize_result(result)


def test_points_get_the_labels_of_the_training_files(
    scan: Path, tmp_path: Path
) -> None:
    labels = np.arange(300) % 3
    found = point_data(pts_semantic_mask=torch.from_numpy(labels))
    known = dict(label_values=(2, 5, 6))
    scans = open_scans(config(), [scan], 'config.py', metainfo=known)
    network = Network(pred_pts_seg=found)
    ((_, paths),) = predict_scans(network, scans, tmp_path, panel=64)
    written = read_ply(str(paths[1])).points[:, -1]
    assert written.tolist() == np.array([2, 5, 6])[labels].tolist()
    assert json.loads(paths[0].read_text())['labels'] == [2, 5, 6]


def test_points_that_were_not_sampled_are_as_their_neighbours(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3)) / 10
    points[:200, 0] += 5
    np.save(tmp_path / 'scan.npy', points)

    class Halves(Network):
        def test_step(self, data: dict) -> list:
            right = data['inputs']['points'][0][:, 0] > 0
            assert len(right) == 40
            self.predictions = dict(
                pred_pts_seg=point_data(pts_semantic_mask=right.long())
            )
            return super().test_step(data)

    steps = [
        dict(type='LoadPointCloud', label_column=6),
        dict(type='NormalizeToUnitSphere'),
        dict(type='SamplePoints', num_points=40),
        dict(type='PackPointInputs'),
    ]
    scans = open_scans(config(steps), [tmp_path / 'scan.npy'], 'config.py')
    ((result, paths),) = predict_scans(Halves(), scans, tmp_path / 'out')
    np.testing.assert_array_equal(result.labels, np.arange(400) < 200)
    np.testing.assert_allclose(file_rows(paths[1]), points, atol=1e-6)


def test_the_class_of_a_cloud(tmp_path: Path) -> None:
    np.save(tmp_path / 'few.npy', np.random.default_rng(0).random((20, 3)))
    steps = [
        dict(type='LoadPointCloud'),
        dict(type='NormalizeToUnitSphere'),
        dict(type='SamplePoints', num_points=40),
        dict(type='PackPointInputs'),
    ]
    logits = torch.tensor([0.0, 2.0, 1.0])
    known = dict(classes=('a', 'b', 'c'), up_axis='y')
    scans = open_scans(
        config(steps), [tmp_path / 'few.npy'], 'config.py', metainfo=known
    )
    network = Network(pred_logits=logits)
    ((result, paths),) = predict_scans(network, scans, tmp_path, top=2)
    assert [path.name for path in paths] == ['few.npy.json']
    shares = logits.softmax(0)
    assert json.loads(paths[0].read_text())['classes'] == [
        dict(label='b', score=round(shares[1].item(), 4)),
        dict(label='c', score=round(shares[2].item(), 4)),
    ]
    assert summarize_result(result).endswith('b 66.5%, c 24.5%')


def test_points_have_parts_of_their_category_only(tmp_path: Path) -> None:
    np.save(tmp_path / 'cap.npy', np.random.default_rng(0).random((40, 3)))
    steps = [dict(type='LoadPointCloud'), dict(type='PackPointInputs')]
    known = dict(
        classes=('wing', 'peak', 'panels'),
        categories=('Airplane', 'Cap'),
        category_parts=dict(Airplane=(0,), Cap=(1, 2)),
    )
    logits = torch.zeros(3, 40)
    logits[0] = 9
    logits[2, :10] = 1

    class Parts(Network):
        def test_step(self, data: dict) -> list:
            assert data['inputs'].pop('shape_label')[0] == 1
            return super().test_step(data)

    network = Parts(
        pts_seg_logits=point_data(pts_seg_logits=logits),
        pred_pts_seg=point_data(pts_semantic_mask=logits.argmax(0)),
    )
    scans = open_scans(
        config(steps), [tmp_path / 'cap.npy'], 'config.py', metainfo=known
    )
    out = tmp_path / 'out'
    ((result, _),) = predict_scans(
        network, scans, out, category='Cap', panel=64, warn=str
    )
    assert result.labels.tolist() == [2] * 10 + [1] * 30
    with pytest.raises(UsageError, match='Airplane, Cap'):
        list(predict_scans(network, scans, out))


@pytest.mark.parametrize(
    ('sides', 'doubt'),
    [
        ((7, 6.3, 2.5), None),
        ((1.5, 1.5, 2.5), 'is 2.5 m high on 1.5 x 1.5 m'),
        ((7, 2.5, 6.3), 'is 6.3 m high on 7 x 2.5 m'),
        ((8, 1.2, 2.6), None),
        ((20, 15, 9), None),
        ((236, 100, 3), 'side is 236 m; .* --columns'),
        ((0, 0, 0), 'one place'),
    ],
)
def test_doubts(sides: tuple, doubt: str | None) -> None:
    points = np.array([[0, 0, 0], sides], np.float32)
    doubts = find_doubts('a.bin', points)
    if doubt is None:
        assert doubts == []
    else:
        (found,) = doubts
        assert re.search(doubt, found)


def test_a_bad_file_does_not_keep_from_the_others(
    scan: Path, tmp_path: Path
) -> None:
    bad = tmp_path / 'bad.npy'
    bad.write_bytes(b'nothing')
    scenes = open_scans(config(), [bad, 'absent.ply', scan], 'config.py')
    network = Network(pred_instances_3d=FOUND)
    with pytest.raises(UsageError, match=r'(?s)bad\.npy: .*absent\.ply: '):
        list(predict_scans(network, scenes, tmp_path, panel=64))
    assert (tmp_path / 'scan.v2.npy.json').is_file()


def test_colours_are_those_of_the_data_set(scan: Path) -> None:
    known = open_scans(config(), [scan], 'config.py').metainfo
    assert known['classes'] == CLASSES
    meta = DATASETS.get('ScanNetDataset').METAINFO
    places = [meta['classes'].index(one) for one in CLASSES]
    colors = [meta['palette'][place] for place in places]
    assert list(known['palette']) == colors
    points = config(task='segmentation', metainfo=dict())
    known = open_scans(points, [scan], 'config.py').metainfo
    meta = DATASETS.get('ScanNetSegDataset').METAINFO
    assert known['classes'] == meta['classes']
    assert np.array_equal(known['palette'], meta['palette'])


def test_classes_of_another_training_are_refused(
    scan: Path, tmp_path: Path
) -> None:
    network = Network(pred_instances_3d=FOUND)
    network.dataset_meta = dict(classes=CLASSES)
    infer(network, scan, tmp_path)
    network.dataset_meta = dict(classes=('bed', 'toilet', 'sofa'))
    with pytest.raises(UsageError, match='label 1 is toilet'):
        infer(network, scan, tmp_path)


def test_the_name_of_a_result_does_not_depend_on_other_files(
    scan: Path, tmp_path: Path
) -> None:
    other = tmp_path / 'b' / scan.name
    other.parent.mkdir()
    np.save(other, np.load(scan))
    network = Network(pred_instances_3d=FOUND)
    scenes = open_scans(config(), [scan, other], 'config.py')
    with pytest.raises(UsageError, match='give a folder'):
        list(predict_scans(network, scenes, tmp_path, panel=64))
    names = name_outputs([tmp_path])
    found = predict_scans(network, scenes, tmp_path, names=names, panel=64)
    places = [paths[0].relative_to(tmp_path) for _, paths in found]
    assert list(map(str, places)) == [
        'scan.v2.npy.json',
        'b/scan.v2.npy.json',
    ]


@pytest.mark.parametrize('suffix', ['.ply', '.laz'])
def test_a_scan_is_never_overwritten(suffix: str, tmp_path: Path) -> None:
    class Untouched(Network):
        def test_step(self, data: dict) -> list:
            return pytest.fail('the model was asked')

    scan = tmp_path / f'a{suffix}.labels{suffix}'
    scan.write_bytes(b'a scan')
    first = tmp_path / f'a{suffix}'
    (tmp_path / 'link').symlink_to(tmp_path)
    scenes = open_scans(config(), [first, scan], 'config.py')
    for out in (tmp_path, tmp_path / 'link'):
        with pytest.raises(UsageError, match=f'{scan.name}.*--out'):
            list(predict_scans(Untouched(), scenes, out))
    assert scan.read_bytes() == b'a scan'


def test_scaled_and_turned_scans_are_warned_of_first(
    scan: Path, tmp_path: Path
) -> None:
    np.save(scan, np.load(scan) * [1000, 1000, 5000])
    doubts = []

    class Asked(Network):
        def test_step(self, data: dict) -> list:
            assert len(doubts) == 2
            return super().test_step(data)

    network = Asked(pred_instances_3d=FOUND)
    infer(network, scan, tmp_path, warn=doubts.append)
    assert all(str(scan) in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ('cfg', 'file', 'error', 'offender'),
    [
        (Config(dict(model=dict())), 'scan', UsageError, 'test_dataloader'),
        (config([]), 'scan', UsageError, 'config.py'),
        (
            config([dict(type='LoadScene', use_dim=6)]),
            'scan',
            UsageError,
            'use_dim=3',
        ),
        (config([*STEPS[:2], dict(type='Gone')]), 'scan', KeyError, 'Gone'),
        (config(), 'scan.doc', UsageError, 'scan.doc'),
    ],
)
def test_refusals(
    cfg: Config, file: str, error: type, offender: str, scan: Path
) -> None:
    with pytest.raises(UsageError, match='scale must be > 0'):
        open_scans(config(), [scan], 'config.py', scale=-1)
    with pytest.raises(error, match=offender):
        open_scans(cfg, [scan if file == 'scan' else file], 'config.py')
