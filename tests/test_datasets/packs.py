"""Data sets of every kind that can be packed, and what they give."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from mmdet3d_act.datasets import PointCloudDataset, SampleIndex
from mmdet3d_act.datasets.packs import list_packs, pack_dataset
from mmdet3d_act.registry import DATASETS
from tests.segmentation_data import write_shapes
from tests.test_datasets.clouds import write_shapenet

TETRAHEDRON = 'OFF\n4 4 6\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n' + ''.join(
    f'3 {a} {b} {c}\n'
    for a, b, c in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
)
LABELS = [0, 23, 39, 15, 8]
NAMES = ['airplane_1', 'night_stand_2', 'xbox_3', 'flower_pot_4', 'chair_5']


def _rows(index: int, columns: int = 6) -> np.ndarray:
    rng = np.random.default_rng(index)
    return rng.normal(size=(20 + index, columns))


def _write_modelnet_txt(root: Path) -> dict:
    for index, name in enumerate(NAMES):
        path = root / name.rpartition('_')[0] / f'{name}.txt'
        path.parent.mkdir(parents=True)
        np.savetxt(path, _rows(index), delimiter=',')
    (root / 'modelnet40_test.txt').write_text('\n'.join(NAMES))
    return dict(type='ModelNet40', split='test')


def _write_modelnet_dat(root: Path) -> dict:
    root.mkdir()
    clouds = [_rows(index).astype(np.float32) for index in range(5)]
    path = root / 'modelnet40_test_8192pts_fps.dat'
    path.write_bytes(pickle.dumps([clouds, LABELS]))
    return dict(type='ModelNet40', split='test')


def _write_scanobjectnn(root: Path) -> dict:
    path = root / 'main_split' / 'test_objectdataset.h5'
    path.parent.mkdir(parents=True)
    with h5py.File(path, 'w') as file:
        file['data'] = np.stack([_rows(3, 3) + i for i in range(4)])
        file['label'] = np.array([14, 0, 7, 3], np.int32)
    return dict(type='ScanObjectNN', split='test', variant='objbg')


def _write_folder(root: Path) -> dict:
    for split in ('train', 'test'):
        for index, name in enumerate(['cup/a', 'cup/b', 'bowl/c', 'jar/d']):
            path = root / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = _rows(index + len(split), 5)
            if index == 0:
                np.save(f'{path}.npy', rows)
            elif index == 1:
                np.savez(f'{path}.npz', points=rows, normals=rows + 1)
            elif index == 2:
                np.savetxt(f'{path}.txt', rows)
            else:
                path.with_suffix('.off').write_text(TETRAHEDRON)
    return dict(type='PointFolder', split='trainval', classes='folders')


def _write_shapenet(root: Path) -> dict:
    write_shapenet(root)
    return dict(type='ShapeNet55', split='trainval')


def _write_shapenet_part(root: Path) -> dict:
    write_shapes(root.parent).rename(root)
    return dict(type='ShapeNetPart', split='trainval')


WRITERS = dict(
    shapenet=_write_shapenet,
    shapenet_part=_write_shapenet_part,
    modelnet_txt=_write_modelnet_txt,
    modelnet_dat=_write_modelnet_dat,
    scanobjectnn=_write_scanobjectnn,
    folder=_write_folder,
)
PIPELINE = (
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=3),
    dict(type='RandomPointScaleShift'),
)


def write_case(name: str, root: Path) -> dict:
    """Write a small data set and return its config."""
    return WRITERS[name](root) | dict(
        data_root=str(root), pipeline=list(PIPELINE), serialize_data=False
    )


def build(cfg: dict, **options: object) -> PointCloudDataset:
    """Return the data set of a config with some options replaced."""
    return DATASETS.build(cfg | options)


def pack(cfg: dict, **options: object) -> list[str]:
    """Pack a data set; return the packs that were made."""
    packs = list_packs(cfg, options.pop('out', None))
    return [
        path
        for path, source in packs.items()
        if pack_dataset(path, source, **options)
    ]


def samples_of(dataset: PointCloudDataset, epoch: int = 3) -> list[dict]:
    """Return all samples of an epoch, with their points as tensors."""
    samples = [
        dataset[SampleIndex(index, epoch, seed=1)]
        for index in range(len(dataset))
    ]
    return [s | dict(points=s['points'].tensor) for s in samples]


def equal(first: list[dict], second: list[dict]) -> bool:
    """Return whether two lists of samples agree in all keys and bits."""

    def same(one: object, other: object) -> bool:
        if isinstance(one, Tensor):
            return torch.equal(one, other)
        return type(one) is type(other) and one == other

    return len(first) == len(second) and all(
        list(one) == list(other) and all(same(one[k], other[k]) for k in one)
        for one, other in zip(first, second, strict=True)
    )
