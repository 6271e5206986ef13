from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mmdet3d_act.datasets import ScanObjectNN
from mmdet3d_act.datasets.scanobjectnn import VARIANTS, read_h5_clouds

LOAD = [dict(type='LoadPointCloud')]
LABELS = [14, 0, 7, 3]


def _clouds(seed: int, count: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 2048, 3)).astype(np.float32)


def write_h5(path: Path, **arrays: np.ndarray) -> Path:
    """Write a file as the project publishes them: gzip, chunked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, 'w') as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression='gzip')
    return path


def _file(root: Path, variant: str, part: str) -> Path:
    folder, ending = VARIANTS[variant]
    return root / folder / f'{part}_objectdataset{ending}.h5'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """All six files, each with clouds of its own."""
    for number, variant in enumerate(VARIANTS):
        for offset, part in enumerate(('training', 'test')):
            write_h5(
                _file(tmp_path, variant, part),
                data=_clouds(2 * number + offset),
                label=np.array(LABELS, np.int32),
                mask=np.zeros((4, 2048), np.int32),
            )
    return tmp_path


@pytest.mark.parametrize('variant', list(VARIANTS))
@pytest.mark.parametrize('split', ['train', 'test'])
def test_each_variant(tree: Path, variant: str, split: str) -> None:
    data = ScanObjectNN(str(tree), split, variant=variant, pipeline=LOAD)
    want = _clouds(2 * list(VARIANTS).index(variant) + (split == 'test'))
    samples = [data[i] for i in range(len(data))]
    assert [s['gt_label'] for s in samples] == LABELS
    assert [s['category'] for s in samples] == [
        'toilet',
        'bag',
        'door',
        'cabinet',
    ]
    assert {s['split'] for s in samples} == {split}
    np.testing.assert_array_equal(
        np.stack([s['points'].tensor for s in samples]), want
    )


def test_archive_as_it_unpacks(tree: Path) -> None:
    inner = tree / 'around' / 'h5_files'
    inner.mkdir(parents=True)
    (tree / 'main_split').rename(inner / 'main_split')
    data = ScanObjectNN(str(tree / 'around'), 'test', variant='objbg')
    assert len(data) == 4
    assert 'h5_files/main_split/test_' in data.get_data_info(0)['lidar_path']


def test_label_of_no_class(tree: Path) -> None:
    path = _file(tree, 'hardest', 'test')
    write_h5(path, data=_clouds(0), label=np.array([0, 15, 1, 2]))
    with pytest.raises(ValueError, match=r'in \[0, 15\), got 15'):
        ScanObjectNN(str(tree), 'test')


@pytest.mark.parametrize(
    'arrays',
    [
        dict(data=_clouds(0)),
        dict(data=_clouds(0)[..., :2], label=LABELS),
        dict(data=_clouds(0)[0], label=LABELS),
        dict(data=np.full((4, 5, 3), b'1'), label=LABELS),
        dict(data=_clouds(0), label=LABELS[:3]),
        dict(data=_clouds(0), label=np.array(LABELS, np.float32)),
        None,
    ],
)
def test_other_files(tmp_path: Path, arrays: dict | None) -> None:
    path = tmp_path / 'a.h5'
    if arrays is None:
        whole = write_h5(path, data=_clouds(0), label=LABELS).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    else:
        write_h5(path, **arrays)
    with pytest.raises(ValueError, match=r'a\.h5: .*expected'):
        read_h5_clouds(str(path))
