"""SUN RGB-D's scenes: turned boxes, through the published augmentation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmdet3d.datasets import SUNRGBDDataset
from mmengine.registry import DefaultScope
from torch import Tensor

from mmdet3d_act.datasets import SUNRGBDScenes, sunrgbd
from mmdet3d_act.ops import count_points_in_boxes
from mmdet3d_act.registry import METRICS, gravity_boxes
from tests.config_files import peek
from tests.mini_scannet import write_sunrgbd

CONFIG = '3detr/3detr_sunrgbd.py'


def read(root: Path, split: str, steps: list) -> SUNRGBDScenes:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        return SUNRGBDScenes(
            str(root), split, pipeline=steps, test_mode=split == 'val'
        )


def truth(sample: dict) -> tuple[Tensor, Tensor]:
    """Return the points and boxes, the latter a millimetre larger."""
    boxes = sample['data_samples'].gt_instances_3d.bboxes_3d
    boxes = gravity_boxes(boxes).clone()
    boxes[:, 3:6] += 2e-3
    return sample['inputs']['points'][:, :3], boxes


def test_boxes_turn_flip_and_scale_with_the_points(tmp_path: Path) -> None:
    root = write_sunrgbd(tmp_path)
    steps = list(peek(CONFIG).train_dataloader.dataset.pipeline)
    load, flip, turn, crop, take, pack = steps
    assert (crop.min_points, crop.crop_range) == (30000, (0.75, 1.0))
    assert take.num_points == 20000
    plain = read(root, 'train', [load, pack])
    assert plain.metainfo['classes'] == sunrgbd.DETECTION_CLASSES
    assert 'images' not in plain.get_data_info(0)
    assert SUNRGBDDataset.METAINFO['classes'] == sunrgbd.DETECTION_CLASSES
    moved = read(root, 'train', [load, flip, turn, pack])
    for number in range(2):
        points, boxes = truth(plain[number])
        torch.testing.assert_close(boxes[:, 6], torch.full((3,), 0.3 + number))
        counts = count_points_in_boxes(points, boxes)
        assert (counts >= 1000).all()
        points, others = truth(moved[number])
        # But for points on the surface.
        after = count_points_in_boxes(points, others)
        assert (after - counts).abs().max() < 10
        scale = others[:, 3:6] / boxes[:, 3:6]
        assert (scale - scale.mean()).abs().max() < 2e-3
        assert 0.84 < float(scale.mean()) < 1.16
    assert plain[2]['data_samples'].gt_instances_3d.bboxes_3d.shape == (0, 7)


@pytest.mark.parametrize('metric', peek(CONFIG).val_evaluator)
def test_precision_of_turned_boxes(tmp_path: Path, metric: dict) -> None:
    root = write_sunrgbd(tmp_path)
    steps = [dict(type='LoadScene'), dict(type='PackPointInputs')]
    data = read(root, 'val', steps)
    sample = data[0]['data_samples']
    known = sample.eval_ann_info
    turned = known['gt_bboxes_3d'].clone()
    # The table across: 0.8 x 0.8 of 1.2 x 0.8 twice are half of the union.
    turned.tensor[:, 6] += torch.tensor([0.0, 0.0, torch.pi / 2])
    turned.tensor[:, 2] += torch.tensor([0.0, 0.0, 0.05])
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        judge = METRICS.build(dict(metric))
    judge.dataset_meta = data.metainfo
    found = dict(
        bboxes_3d=turned,
        labels_3d=torch.from_numpy(known['gt_labels_3d']),
        scores_3d=torch.ones(3),
    )
    judge.process({}, [dict(pred_instances_3d=found, eval_ann_info=known)])
    scores = judge.evaluate(1)
    prefix = 'published/' if 'Published' in metric['type'] else ''
    assert scores[f'{prefix}mAP_0.25'] == pytest.approx(1)
    assert scores[f'{prefix}mAP_0.50'] == pytest.approx(2 / 3)
