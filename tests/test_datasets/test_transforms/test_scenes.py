"""Reading scenes with boxes, with masks, and with neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures.points import DepthPoints

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import LoadScene

ROWS = np.arange(60, dtype=np.float32).reshape(10, 6)


@pytest.fixture
def info(tmp_path: Path) -> dict:
    """A scene's information, with its files."""
    ROWS.tofile(tmp_path / 'points.bin')
    np.arange(10, dtype=np.int64).tofile(tmp_path / 'mask.bin')
    mask = str(tmp_path / 'mask.bin')
    return dict(
        lidar_path=str(tmp_path / 'points.bin'),
        num_pts_feats=6,
        pts_semantic_mask_path=mask,
        pts_instance_mask_path=mask,
        seg_label_mapping=np.zeros(10, np.int64),
    )


def test_coordinates_only(info: dict) -> None:
    results = LoadScene()(info)
    assert isinstance(results['points'], DepthPoints)
    assert np.array_equal(results['points'].tensor, ROWS[:, :3])
    assert not {'pts_semantic_mask', 'gt_bboxes_3d'} & set(results)


def test_colors(info: dict) -> None:
    points = LoadScene(use_dim=6)(info)['points']
    assert np.array_equal(points.color, ROWS[:, 3:])


def test_boxes_of_training_only(info: dict) -> None:
    boxes = dict(gt_bboxes_3d=torch.ones(2, 6), gt_labels_3d=np.arange(2))
    load = LoadScene(with_boxes=True)
    results = load(dict(info, ann_info=boxes))
    assert results['gt_bboxes_3d'] is boxes['gt_bboxes_3d']
    assert results['gt_labels_3d'].tolist() == [0, 1]
    assert 'gt_bboxes_3d' not in load(dict(info, eval_ann_info=boxes))


def test_masks(info: dict) -> None:
    load = LoadScene(with_semantic_mask=True, with_instance_mask=True)
    results = load(dict(info, eval_ann_info={}))
    for key in ('pts_semantic_mask', 'pts_instance_mask'):
        assert results[key].tolist() == list(range(10))
        assert results['eval_ann_info'][key] is results[key]


def test_classes_that_do_not_exist(info: dict) -> None:
    info['seg_label_mapping'] = np.zeros(9, np.int64)
    load = LoadScene(with_semantic_mask=True)
    with pytest.raises(BadSampleError, match=r'mask.bin: .* from 0 to 8'):
        load(info)
    # Numbers of objects have no limit.
    assert 'pts_instance_mask' in LoadScene(with_instance_mask=True)(info)


def test_a_mask_of_another_scene(info: dict) -> None:
    ROWS[:9].tofile(info['lidar_path'])
    with pytest.raises(BadSampleError, match='each of 9 points, got 10'):
        LoadScene(with_semantic_mask=True)(info)


def test_scenes_without_points(
    info: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned = []
    monkeypatch.setattr(
        'mmdet3d_act.datasets.transforms.loading.print_log',
        lambda text, **_: warned.append(text),
    )
    Path(info['lidar_path']).write_bytes(b'')
    with pytest.raises(BadSampleError, match='empty: it has no points'):
        LoadScene()(info)
    for _ in range(2):
        results = LoadScene(use_dim=6, on_empty='origin')(dict(info))
        assert torch.equal(results['points'].tensor, torch.zeros(1, 6))
    # Once of every file.
    assert warned == [
        f'{info["lidar_path"]}: empty, the scene gets a single point at the '
        'origin'
    ]
    with pytest.raises(BadSampleError, match='no file'):
        LoadScene(on_empty='origin')(dict(info, lidar_path='no.bin'))
