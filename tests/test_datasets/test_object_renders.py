"""Objects with renders or vectors."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import BadSampleError, ObjectRenders, SampleIndex
from tests.rgbd_files import encode

CLOUD = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=16, per_epoch=False),
]
IMAGE = [dict(type='LoadImage'), dict(type='PrepareImage', size=8)]
PACK = [dict(type='PackPointInputs')]
TRAIN, TEST = ['cup', 'jar', 'pot'], ['mug', 'urn']


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five objects, three views each, two kinds of vectors."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'object_renders'
    (root / 'points').mkdir(parents=True)
    (root / 'vectors').mkdir()
    rows = {kind: {} for kind in ('image', 'query')}
    for number, name in enumerate(TRAIN + TEST):
        np.save(root / 'points' / name, rng.normal(size=(40, 3)))
        rows['query'][name] = [number, 0, 0]
        (root / 'images' / name).mkdir(parents=True)
        for view in (1, 2, 3):
            rows['image'][f'{name}/{view}'] = [number, view, 0]
            image = np.full((10, 12, 3), 10 * number + view, np.uint8)
            path = root / 'images' / name / f'{view}.png'
            path.write_bytes(encode(image, 'PNG'))
    arrays = {kind: list(named.values()) for kind, named in rows.items()}
    keys = {f'{kind}_key': list(named) for kind, named in rows.items()}
    vectors = {k: np.array(v, np.float16) for k, v in arrays.items()}
    names = {k: np.array(v) for k, v in keys.items()}
    np.savez(root / 'vectors' / 'small.npz', **vectors, **names)
    (root / 'train.txt').write_text('\n'.join(TRAIN))
    (root / 'test.txt').write_text('\n'.join(TEST))
    return root


def _views(dataset: ObjectRenders, index: int, epochs: int = 60) -> list:
    samples = [dataset[SampleIndex(index, e)] for e in range(epochs)]
    return [sample['data_samples'].pair_key for sample in samples]


def test_a_view_is_drawn_in_each_epoch(root: Path) -> None:
    dataset = ObjectRenders(str(root), pipeline=[*CLOUD, *IMAGE, *PACK])
    assert len(dataset) == 3
    counts = Counter(_views(dataset, 1))
    assert set(counts) == {'jar/1', 'jar/2', 'jar/3'}
    assert min(counts.values()) > 8
    again = pickle.loads(pickle.dumps(dataset))
    assert _views(again, 1, 9) == _views(dataset, 1, 9)
    for epoch in range(4):
        sample = dataset[SampleIndex(1, epoch)]
        view = int(sample['data_samples'].pair_key[-1])
        images = sample['inputs']['images']
        assert torch.equal(images, torch.full((3, 8, 8), 10 + view).byte())
    assert sample['inputs']['points'].shape == (16, 3)


def test_the_first_view_in_testing(root: Path) -> None:
    dataset = ObjectRenders(
        str(root), 'test', test_mode=True, pipeline=[*CLOUD, *IMAGE, *PACK]
    )
    assert _views(dataset, 0, 5) == ['mug/1'] * 5
    assert dataset.metainfo['up_axis'] == 'y'
    assert dataset.metainfo['normalization'] == 'unit_sphere'


@pytest.mark.parametrize('kept_in_memory', [False, True])
def test_the_vector_is_that_of_the_view(
    root: Path, kept_in_memory: bool
) -> None:
    static, own = (CLOUD, PACK) if kept_in_memory else ([], CLOUD + PACK)
    dataset = ObjectRenders(
        str(root), vectors='small', static_pipeline=static, pipeline=own
    )
    seen = set()
    for epoch in range(20):
        sample = dataset[SampleIndex(2, epoch)]
        view = int(sample['data_samples'].pair_key[-1])
        vectors = sample['inputs']['vectors']
        assert vectors.dtype == torch.float32
        assert vectors.tolist() == [2, view, 0]
        seen.add(view)
    assert seen == {1, 2, 3}


def test_vectors_without_images(root: Path) -> None:
    shutil.rmtree(root / 'images')
    options = dict(vectors='small', pipeline=[*CLOUD, *PACK])
    dataset = ObjectRenders(str(root), **options)
    assert dataset.pair_keys()[:3] == ['cup/1', 'cup/2', 'cup/3']
    view = int(dataset[0]['data_samples'].pair_key[-1])
    assert dataset[0]['inputs']['vectors'].tolist() == [0, view, 0]
    with pytest.raises(FileNotFoundError, match=r'3 objects .* an image, for'):
        ObjectRenders(str(root))


def test_views_that_are_left_out(root: Path) -> None:
    pipeline = [*CLOUD, dict(type='PrepareImage', size=8), *PACK]
    dataset = ObjectRenders(str(root), on_error='skip', pipeline=pipeline)
    gone = ['cup/1', 'cup/3', 'jar/1', 'jar/2', 'jar/3']
    dataset.leave_out_pairs(gone)
    assert dataset.pair_keys() == ['cup/2', 'pot/1', 'pot/2', 'pot/3']
    assert set(_views(dataset, 0)) == {'cup/2'}
    # Another object takes the place of one without a view.
    assert not {view.split('/')[0] for view in _views(dataset, 1)} & {'jar'}
    dataset.get_subset_([0, 1])
    assert len(dataset.pair_keys()) == 6


def test_what_is_missing_or_damaged(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'its points at .*nowhere'):
        ObjectRenders(str(root / 'nowhere'))
    with pytest.raises(FileNotFoundError, match=r'its vectors at .*big\.npz'):
        ObjectRenders(str(root), vectors='big')
    (root / 'images' / 'cup' / '1.png').write_bytes(b'GIF8')
    steps = [*CLOUD, *IMAGE]
    dataset = ObjectRenders(str(root), test_mode=True, pipeline=steps)
    with pytest.raises(BadSampleError, match=r'1\.png: unreadable'):
        dataset[0]
    (root / 'points' / 'pot.npy').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 3 listed .*pot'):
        ObjectRenders(str(root))
