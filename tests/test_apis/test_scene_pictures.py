"""Pictures of what detectors and segmentors see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from mmdet3d_act.apis.scene_pictures import likely_boxes, scene_panels
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.registry import depth_boxes, point_data
from mmdet3d_act.visualization.arrays import class_colors
from tests.test_tools.loading import load_tool

pytest.importorskip('mmdet3d')

from mmdet3d.structures import Det3DDataSample
from mmengine.structures import InstanceData

draw_scenes = load_tool('visualize_scene').draw_scenes
CLASSES = ('bed', 'chair', 'sofa')
COLORS = class_colors(3)
BOXES = torch.tensor([[1.0, 1, 1, 1, 1, 1], [2, 2, 1, 1, 2, 1]])
POINTS = torch.rand(300, 3, generator=torch.manual_seed(0)) * 3


class Scenes(list):
    @property
    def metainfo(self) -> dict:
        return dict(classes=CLASSES, palette=[(255, 0, 0)] * 3)


class Network:
    """Predicts what it was given."""

    def __init__(self, **predictions: object) -> None:
        self.predictions = predictions

    def test_step(self, data: dict) -> list:
        assert list(data['inputs']) == ['points']
        (sample,) = data['data_samples']
        for name, value in self.predictions.items():
            setattr(sample, name, value)
        return [sample]


def scene(**annotations: object) -> dict:
    sample = Det3DDataSample(metainfo=dict(lidar_path='rooms/scene7.bin'))
    for name, value in annotations.items():
        setattr(sample, name, value)
    return dict(inputs=dict(points=POINTS), data_samples=sample)


def boxes(numbers: list[int], labels: list[int], **fields: object) -> object:
    return InstanceData(
        bboxes_3d=depth_boxes(BOXES[numbers]),
        labels_3d=torch.tensor(labels),
        **fields,
    )


# The first box as a bed and as a chair, the second as nothing likely.
FOUND = boxes([0, 0, 1], [0, 1, 2], scores_3d=torch.tensor([0.4, 0.9, 0.2]))


def test_each_box_is_drawn_once() -> None:
    found, labels, _ = likely_boxes(dict(FOUND.items()), 0.3)
    assert labels.tolist() == [1]
    torch.testing.assert_close(found[:, :6], BOXES[:1])
    _, labels, scores = likely_boxes(dict(FOUND.items()), 0.1)
    assert labels.tolist() == [1, 2]
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.2]))
    assert len(likely_boxes(dict(FOUND.items()), 0.95)[1]) == 0


def test_detections_are_drawn(tmp_path: Path) -> None:
    known = dict(gt_instances_3d=boxes([0, 1], [0, 2]))
    network = Network(pred_instances_3d=FOUND)
    paths = draw_scenes(
        network, Scenes([scene(**known)]), tmp_path, html=True, panel=64
    )
    assert [path.name for path in paths] == ['scenes.png', 'scenes.html']
    with Image.open(paths[0]) as image:
        assert image.width == 3 * (64 + 6) + 6
    (path,) = draw_scenes(
        None, Scenes([scene(**known)]), tmp_path / 'known', panel=64
    )
    with Image.open(path) as image:
        assert image.width == 2 * (64 + 6) + 6


def test_segmentations_are_drawn(tmp_path: Path) -> None:
    labels = torch.arange(300) % 4  # 3 is no class
    dataset = Scenes([scene(gt_pts_seg=point_data(pts_semantic_mask=labels))])
    found = labels.clone()
    found[:60] = 0
    network = Network(pred_pts_seg=point_data(pts_semantic_mask=found))
    (path,) = draw_scenes(network, dataset, tmp_path, panel=64)
    with Image.open(path) as image:
        assert image.width == 4 * (64 + 6) + 6
    sample = network.test_step(
        dict(
            inputs=dict(points=POINTS),
            data_samples=[dataset[0]['data_samples']],
        )
    )[0]
    panels, seen = scene_panels(sample.to_dict(), POINTS, COLORS)
    assert panels[-1].title == 'errors'
    assert panels[-1].caption == f'{100 * (1 - 30 / 225):.1f} % right'
    assert seen == {0, 1, 2}


def test_wrong_samples_are_refused(tmp_path: Path) -> None:
    # Of a classifier, too, nothing can be drawn in a scene.
    labelled = [scene(gt_label=torch.tensor([3]))]
    for network in (None, Network(pred_label=torch.tensor([2]))):
        with pytest.raises(ValueError, match='scene7 has neither boxes nor'):
            draw_scenes(network, Scenes(labelled), tmp_path)
    with pytest.raises(ValueError, match=r'act_3detr_scannet.py.*test_mode'):
        draw_scenes(None, Scenes([scene()]), tmp_path)
    with pytest.raises(UsageError, match=r'samples 0 to 0, got \[3\]'):
        draw_scenes(None, Scenes([scene()]), tmp_path, indices=[3])
