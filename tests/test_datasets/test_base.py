from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset, pseudo_collate
from torch.utils.data import DataLoader

from mmdet3d_act.datasets import (
    BadSampleError,
    EpochSampler,
    SampleIndex,
    ShapeNet55,
)
from tests.test_datasets.clouds import (
    NAMES,
    PIPELINE,
    by_index,
    read_epoch,
)
from tests.test_models import toys


def _data(root: Path, **kwargs: object) -> ShapeNet55:
    # MMEngine collects garbage when it serialises, which takes its time.
    kwargs = dict(pipeline=PIPELINE, serialize_data=False) | kwargs
    return ShapeNet55(str(root), kwargs.pop('split', 'train'), **kwargs)


def _sampler(dataset: object, epoch: int, seed: int = 1) -> EpochSampler:
    sampler = EpochSampler(dataset, seed=seed)
    sampler.set_epoch(epoch)
    return sampler


def _epoch(root: Path, epoch: int, seed: int = 1, **kwargs: object) -> dict:
    dataset = _data(root)
    return read_epoch(dataset, _sampler(dataset, epoch, seed), **kwargs)


def test_samples_do_not_depend_on_workers_or_restarts(
    shapenet_root: Path,
) -> None:
    alone = _epoch(shapenet_root, 2)
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    assert len(alone) == 8
    assert toys.same(alone, _epoch(shapenet_root, 2))
    assert toys.same(alone, _epoch(shapenet_root, 2, num_workers=2))


def test_every_epoch_and_seed_differs(shapenet_root: Path) -> None:
    epochs = [_epoch(shapenet_root, e, s) for e, s in np.ndindex(2, 2)]
    for index in range(8):
        versions = {tuple(e[index].flatten().tolist()) for e in epochs}
        assert len(versions) == 4


def test_persistent_workers_follow_the_epoch(shapenet_root: Path) -> None:
    dataset = _data(shapenet_root)
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=_sampler(dataset, 0),
        collate_fn=pseudo_collate,
        num_workers=2,
        persistent_workers=True,
    )
    first = by_index(loader)
    loader.sampler.set_epoch(1)
    second = by_index(loader)
    assert toys.same(first, _epoch(shapenet_root, 0))
    assert toys.same(second, _epoch(shapenet_root, 1))


def test_plain_indices_are_epoch_0_and_seed_0(shapenet_root: Path) -> None:
    dataset = _data(shapenet_root, lazy_init=True)
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    points = dataset[-1]['inputs']['points']
    # Global generators are left alone.
    assert np.random.random() == expected
    assert torch.equal(points, dataset[SampleIndex(7)]['inputs']['points'])
    later = dataset[SampleIndex(7, epoch=1)]['inputs']['points']
    assert not torch.equal(points, later)


def test_wrappers_keep_epoch_and_split(shapenet_root: Path) -> None:
    parts = [_data(shapenet_root, split=name) for name in ('train', 'test')]
    for wrapper, place, part in (
        (ConcatDataset(parts), 2, parts[0]),
        (ConcatDataset(parts), 10, parts[1]),
        (RepeatDataset(parts[0], 3), 18, parts[0]),
    ):
        sample = wrapper[SampleIndex(place, epoch=5, seed=6)]
        expected = part[SampleIndex(2, epoch=5, seed=6)]
        assert sample['data_samples'].split == part.split
        assert torch.equal(
            sample['inputs']['points'], expected['inputs']['points']
        )


class _Count:
    """Counts its calls and notes a random number and the rng_key."""

    def __init__(self) -> None:
        self.keys: list = []

    def __call__(self, results: dict) -> dict:
        self.keys.append(results['rng_key'])
        results['drawn'] = np.random.random()
        return results


def _static(root: Path, **kwargs: object) -> tuple[ShapeNet55, _Count]:
    count = _Count()
    dataset = _data(
        root,
        **kwargs,
        static_pipeline=[*PIPELINE[:2], count],
        pipeline=[lambda r: r | dict(later=np.random.random())],
    )
    return dataset, count


def test_static_pipeline_runs_once_and_its_draws_stay(
    shapenet_root: Path,
) -> None:
    dataset, count = _static(shapenet_root)
    samples = [dataset[SampleIndex(2, epoch=e, seed=4)] for e in range(3)]
    assert count.keys == [(4, 0, 2)]
    assert len({s['drawn'] for s in samples}) == 1
    assert len({s['later'] for s in samples}) == 3
    assert [s['rng_key'].epoch for s in samples] == [0, 1, 2]
    other = _static(shapenet_root)[0][SampleIndex(2, epoch=7, seed=4)]
    assert other['drawn'] == samples[0]['drawn']
    assert torch.equal(other['points'].tensor, samples[0]['points'].tensor)
    assert dataset[3]['drawn'] != samples[0]['drawn']
    # What a sample's user changes stays with that user.
    samples[0]['points'].tensor.zero_()
    again = dataset[SampleIndex(2, epoch=1, seed=4)]
    assert torch.equal(again['points'].tensor, samples[1]['points'].tensor)


@pytest.mark.parametrize('in_place', [False, True])
def test_subset_does_not_take_other_samples_from_memory(
    shapenet_root: Path, in_place: bool
) -> None:
    dataset, _ = _static(shapenet_root, serialize_data=True)
    expected = dataset[5]['lidar_path']
    dataset[0]
    if in_place:
        dataset.get_subset_([5, 6])
    else:
        dataset = dataset.get_subset([5, 6])
    assert dataset[0]['lidar_path'] == expected
    assert len(dataset) == 2


def _spoil(root: Path, *indices: int) -> None:
    for index in indices:
        (root / 'shapenet_pc' / NAMES['train'][index]).write_bytes(b'bad')


def test_bad_file_is_an_error_by_default(shapenet_root: Path) -> None:
    _spoil(shapenet_root, 1)
    dataset = _data(shapenet_root)
    with pytest.raises(BadSampleError, match=r'03001627-m1\.npy: unreadable'):
        dataset[1]


def test_skipping_is_deterministic_and_logged_once(
    shapenet_root: Path, logged: pytest.LogCaptureFixture
) -> None:
    _spoil(shapenet_root, 0, 1, 2)
    dataset = _data(shapenet_root, on_error='skip')

    def epoch(data: ShapeNet55, number: int) -> list:
        return [
            data[SampleIndex(i, epoch=number)]['data_samples'].sample_idx
            for i in range(8)
        ]

    epochs = [epoch(dataset, number) for number in range(6)]
    assert logged.text.count('left out a sample') == 3
    assert logged.text.count('03001627-m1.npy: unreadable') == 1
    assert all(numbers[3:] == [3, 4, 5, 6, 7] for numbers in epochs)
    assert all(set(numbers[:3]) <= {3, 4, 5, 6, 7} for numbers in epochs)
    assert len({tuple(numbers) for numbers in epochs}) > 1
    fresh = _data(shapenet_root, on_error='skip')
    assert epoch(fresh, 4) == epochs[4]


def _odd_only(results: dict) -> dict | None:
    return results if results['sample_idx'] % 2 else None


def test_rejected_sample_is_replaced(shapenet_root: Path) -> None:
    dataset = _data(shapenet_root, pipeline=[_odd_only])
    drawn = [dataset[SampleIndex(0, epoch=e)]['sample_idx'] for e in range(20)]
    again = [dataset[SampleIndex(0, epoch=e)]['sample_idx'] for e in range(20)]
    assert drawn == again
    assert set(drawn) == {1, 3, 5, 7}
    dataset = _data(shapenet_root, pipeline=[_odd_only], test_mode=True)
    with pytest.raises(ValueError, match='rejected sample 0 in test mode'):
        dataset[0]
