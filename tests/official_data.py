"""Small data sets of every kind, in the layouts where configs look."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tests.mini_scannet import write_scannet, write_scans, write_sunrgbd
from tests.rgbd_files import write_frames
from tests.segmentation_data import write_rooms, write_shapes
from tests.small_data import write_probe, write_shapenet

FEW = (3, 2)


def write_scanobjectnn(root: Path, counts: tuple[int, int] = FEW) -> Path:
    """Write so many training and test clouds of all three variants."""
    rng = np.random.default_rng(0)
    folder = root / 'ScanObjectNN'
    for name, ending in (
        ('main_split', ''),
        ('main_split_nobg', ''),
        ('main_split', '_augmentedrot_scale75'),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for part, count in zip(('training', 'test'), counts, strict=True):
            path = folder / name / f'{part}_objectdataset{ending}.h5'
            with h5py.File(path, 'w') as file:
                file['data'] = rng.normal(size=(count, 2048, 3))
                file['label'] = np.arange(count) % 15
    return folder


def write_modelnet(root: Path, counts: tuple[int, int] = FEW) -> Path:
    """Write packed files of so many training and test clouds."""
    rng = np.random.default_rng(0)
    folder = root / 'ModelNet' / 'modelnet40_normal_resampled'
    folder.mkdir(parents=True)
    for split, count in zip(('train', 'test'), counts, strict=True):
        clouds = rng.normal(size=(count, 8192, 6)).astype(np.float32)
        labels = [np.array([i % 40], np.int32) for i in range(count)]
        path = folder / f'modelnet40_{split}_8192pts_fps.dat'
        path.write_bytes(pickle.dumps([list(clouds), labels]))
    return folder


def write_fewshot(root: Path) -> Path:
    """Write the first fold of 5 ways and 10 shots."""
    rng = np.random.default_rng(0)
    rows = {
        split: [
            (rng.normal(size=(1300, 6)).astype(np.float32), label, label + 3)
            for label in range(5)
            for _ in range(count)
        ]
        for split, count in (('train', 10), ('test', 1))
    }
    path = root / 'ModelNetFewshot' / '5way_10shot' / '0.pkl'
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(rows))
    return path


def write_renders(root: Path) -> Path:
    """Write eight objects, a render of each and its vector."""
    folder = root / 'object_renders'
    (folder / 'points').mkdir(parents=True)
    (folder / 'vectors').mkdir()
    rng = np.random.default_rng(0)
    names = [f'object{i}' for i in range(8)]
    for name in names:
        points = rng.normal(size=(1500, 3)).astype(np.float32)
        np.save(folder / 'points' / f'{name}.npy', points)
        (folder / 'images' / name).mkdir(parents=True)
        image = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / 'images' / name / '1.png')
    (folder / 'train.txt').write_text('\n'.join(names[:6]) + '\n')
    (folder / 'test.txt').write_text('\n'.join(names[6:]) + '\n')
    np.savez(
        folder / 'vectors' / 'azure.npz',
        image=rng.normal(size=(8, 1024)).astype(np.float16),
        image_key=np.array([f'{name}/1' for name in names]),
    )
    return folder


def write_everything(root: Path) -> None:
    """Write all of them, and a folder of clouds for ``ACT_CLOUDS``."""
    write_shapenet(root)
    write_modelnet(root)
    write_fewshot(root)
    write_scanobjectnn(root)
    write_shapes(root, train=2, val=1, test=2)
    write_rooms(root, areas=tuple(range(1, 7)), points=8000)
    write_scannet(root)
    write_sunrgbd(root)
    frames = write_frames(root)
    for split in ('train', 'val'):
        path = frames / f'scannetv2_{split}.txt'
        path.write_text('scene0000_00\nscene0001_00\n')
    write_renders(root)
    write_probe(root, 'real_shapes')
    write_probe(root, 'clouds')
    write_scans(root / 'scans')
