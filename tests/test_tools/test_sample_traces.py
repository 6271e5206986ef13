from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset

from mmdet3d_act.datasets import ScanNetScenes, ShapeNet55
from mmdet3d_act.datasets.seeding import SampleIndex
from tests.mini_scannet import FURNITURE, write_scannet
from tests.test_datasets.clouds import write_shapenet

from .loading import load_tool

trace_sample = load_tool('sample_traces').trace_sample

STATIC = (
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=16, per_epoch=False),
    dict(type='NormalizeToUnitSphere'),
    dict(type='GroupPoints', num_groups=4, group_size=3),
)
MOVING = (
    dict(type='RandomPointScaleShift'),
    dict(type='PackPointInputs'),
)
TITLES = [
    'LoadPointCloud',
    'SamplePoints',
    'NormalizeToUnitSphere',
    'GroupPoints',
    'RandomPointScaleShift',
    'PackPointInputs',
]


@pytest.fixture
def shapenet_root(tmp_path) -> Path:
    return write_shapenet(tmp_path / 'ShapeNet55-34')


@pytest.fixture
def data(shapenet_root) -> ShapeNet55:
    return ShapeNet55(
        str(shapenet_root), 'train', static_pipeline=STATIC, pipeline=MOVING
    )


def test_every_transform_is_a_step(data) -> None:
    (trace,) = trace_sample(data, 1)
    assert [step.title for step in trace.steps] == TITLES
    assert [step.static for step in trace.steps] == [True] * 4 + [False] * 2
    sizes = [len(step.points) for step in trace.steps]
    assert sizes[0] > 16
    assert sizes[1:] == [16] * 5
    radius = np.linalg.norm(trace.steps[2].points, axis=1).max()
    assert radius == pytest.approx(1, abs=1e-5)
    assert trace.name == 'chair [1]'
    assert trace.label == data.metainfo['classes'].index('chair')


def test_the_last_step_is_what_the_model_is_fed(data) -> None:
    for trace in trace_sample(data, 2, epochs=3, seed=5):
        fed = data[SampleIndex(2, trace.epoch, 5)]['inputs']['points']
        np.testing.assert_array_equal(trace.steps[-1].points, fed.numpy())


def test_patches_are_those_of_the_sample(data) -> None:
    (trace,) = trace_sample(data, 0)
    assert trace.steps[2].patches is None
    members = data[0]['inputs']['neighbor_indices'].numpy()
    patches = trace.steps[3].patches
    outside = np.setdiff1d(np.arange(16), members)
    assert (patches[outside] == -1).all()
    for row, patch in enumerate(patches):
        assert patch == -1 or row in members[patch]
    np.testing.assert_array_equal(trace.steps[-1].patches, patches)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda data: ConcatDataset([data, data.get_subset([1, 2]), data]),
        lambda data: RepeatDataset(data, 2),
    ],
)
def test_wrappers_are_looked_through(data, wrap) -> None:
    both = wrap(data)
    index = len(both) - len(data) + 1
    (trace,) = trace_sample(both, index)
    (own,) = trace_sample(data, 1)
    assert [step.title for step in trace.steps] == TITLES
    np.testing.assert_array_equal(trace.steps[-1].points, own.steps[-1].points)


@pytest.mark.parametrize('on_error', ['raise', 'skip'])
def test_bad_samples_are_told_and_not_replaced(
    shapenet_root, on_error
) -> None:
    data = ShapeNet55(
        str(shapenet_root),
        'train',
        pipeline=STATIC + MOVING,
        on_error=on_error,
    )
    path = data.get_data_info(4)['lidar_path']
    with open(path, 'wb') as file:
        file.write(b'no cloud')
    (trace,) = trace_sample(data, 4)
    assert len(trace.steps) == 1
    assert trace.steps[0].points is None
    assert 'BadSampleError' in trace.steps[0].error
    assert path in trace.steps[0].error
    (fine,) = trace_sample(data, 5)
    assert len(fine.steps) == len(TITLES)


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_annotations_of_packed_scenes(tmp_path, task: str) -> None:
    pytest.importorskip('mmdet3d')
    folder = write_scannet(tmp_path, num_scenes=1, num_points=600)
    boxes = task == 'detection'
    steps = [
        dict(type='LoadScene', with_boxes=boxes, with_semantic_mask=not boxes),
        dict(type='PackPointInputs'),
    ]
    if not boxes:
        steps.insert(1, dict(type='PointSegClassMapping'))
    data = ScanNetScenes(str(folder), task=task, pipeline=steps)
    (trace,) = trace_sample(data, 0)
    first, last = trace.steps[0], trace.steps[-1]
    assert first.boxes is None
    assert first.labels is None
    if boxes:
        assert last.boxes.shape == (3, 7)
        assert last.labels.tolist() == [label for _, _, label, _ in FURNITURE]
    else:
        assert last.boxes is None
        assert np.unique(last.labels).tolist() == [0, 1, 3, 4, 6]
        assert len(last.labels) == len(last.points)
