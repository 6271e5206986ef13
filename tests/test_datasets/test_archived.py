from __future__ import annotations

import pickle

import numpy as np
import pytest

from mmdet3d_act.datasets import PointCloudDataset
from mmdet3d_act.datasets.archived import ArchivedCloudsMixin

CLOUDS = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)


class _Archive(ArchivedCloudsMixin, PointCloudDataset):
    labels = (1, 0, 0, 1)

    def list_samples(self) -> list[dict]:
        return self.list_archive(
            'x.h5', CLOUDS, self.labels, ('cup', 'jar'), fps_ordered=True
        )


def _data(**options: object) -> _Archive:
    load = [dict(type='LoadPointCloud')]
    return _Archive('.', 'train', pipeline=load, **options)


def test_samples() -> None:
    data = _data()
    sample = data[3]
    np.testing.assert_array_equal(sample['points'].tensor, CLOUDS[3])
    assert sample['lidar_path'] == 'x.h5#3'
    assert (sample['gt_label'], sample['category']) == (1, 'jar')
    assert sample['split'] == 'train'
    assert sample['fps_ordered'] is True
    assert 'raw_points' not in sample
    sample['points'].tensor.zero_()
    assert data[3]['points'].tensor.any()


@pytest.mark.parametrize('serialize', [False, True])
def test_parts_keep_their_clouds(serialize: bool) -> None:
    data = _data(indices=[3, 1], label_fraction=1.0, serialize_data=serialize)
    np.testing.assert_array_equal(data[0]['points'].tensor, CLOUDS[3])
    data = _data(label_fraction=0.5, serialize_data=serialize)
    assert len(data) == 2
    for sample in (data[0], data[1]):
        number = int(sample['lidar_path'].partition('#')[2])
        assert sample['gt_label'] == data.labels[number]
        np.testing.assert_array_equal(sample['points'].tensor, CLOUDS[number])
    subset = data.get_subset([1])
    np.testing.assert_array_equal(
        subset[0]['points'].tensor, data[1]['points'].tensor
    )


def test_goes_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(_data()))
    np.testing.assert_array_equal(copy[2]['points'].tensor, CLOUDS[2])


@pytest.mark.parametrize('label', [-1, 2])
def test_label_of_no_class(
    label: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Archive, 'labels', (0, 1, label, 0))
    text = rf'x\.h5: expected labels in \[0, 2\), got {label} for cloud 2'
    with pytest.raises(ValueError, match=text):
        _data()
