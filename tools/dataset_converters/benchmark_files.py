"""Made-up objects and rooms in the files of the downstream benchmarks.

Each function writes one data set where its config looks for it. The classes
are those of the benchmark that can be drawn; numbers of labels are its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from room_set import RoomSet, RoomTask

from mmdet3d_act.datasets.modelnet40 import CLASSES as OBJECT_CLASSES
from mmdet3d_act.datasets.s3dis import CLASSES as ROOM_CLASSES
from mmdet3d_act.datasets.scanobjectnn import ScanObjectNN
from mmdet3d_act.datasets.shapenet_part import (
    CATEGORIES,
    FOLDER,
    ShapeNetPart,
)
from mmdet3d_act.io import write_bytes, write_json
from mmdet3d_act.ops import farthest_point_sample
from mmdet3d_act.synthetic.category import REGISTRY, stream
from mmdet3d_act.synthetic.file_set import (
    write_array,
    write_rows,
)
from mmdet3d_act.synthetic.items import NYU40
from mmdet3d_act.synthetic.room_scan import RoomScanOptions
from mmdet3d_act.synthetic.rooms import RECIPES
from mmdet3d_act.synthetic.shape_scan import Cloud, ScanOptions, scan_shape

# What a class of a benchmark is called here.
_DRAWN_AS = {
    'cup': 'mug', 'monitor': 'display', 'dresser': 'cabinet',
    'wardrobe': 'refrigerator', 'shelf': 'bookshelf', 'sink': 'washbasin',
}  # fmt: skip
_COMPLETE = ScanOptions(one_sided=False, noise=0.0, tilt=0.0, clutter=0.0)
_FOLDS = tuple(product((5, 10), (10, 20)))
_PARTS = ShapeNetPart.METAINFO['category_parts']
_QUERIES = 20  # of a class in a fold
# Of S3DIS; what has none is clutter.
_ROOM_LABELS = {
    NYU40[name]: ROOM_CLASSES.index(label)
    for name, label in (
        ('ceiling', 'ceiling'), ('floor', 'floor'), ('wall', 'wall'),
        ('window', 'window'), ('door', 'door'), ('table', 'table'),
        ('desk', 'table'), ('chair', 'chair'), ('sofa', 'sofa'),
        ('bookshelf', 'bookcase'), ('picture', 'board'),
    )
}  # fmt: skip


def write_modelnet40(root: Path, counts: tuple[int, int], seed: int) -> None:
    """Write so many training and test clouds of a class of ModelNet40."""
    folder = root / 'ModelNet' / 'modelnet40_normal_resampled'
    for split, count in zip(('train', 'test'), counts, strict=True):
        clouds, labels = [], []
        for label, name in _drawable(OBJECT_CLASSES):
            for number in range(count):
                key = f'modelnet {split}', name, number
                clouds.append(_far_first(_cloud(seed, key, 8192, _COMPLETE)))
                labels.append(np.array([label], np.int32))
        content = pickle.dumps([clouds, labels], protocol=4)
        name = f'modelnet40_{split}_8192pts_fps.dat'
        write_bytes(folder / name, content)


def write_fewshot(root: Path, counts: tuple[int, int], seed: int) -> None:
    """Write the first folds of few-shot ModelNet40; counts are its own."""
    known = list(_drawable(OBJECT_CLASSES))[:10]
    pool = [
        [
            _far_first(_cloud(seed, ('fold', name, at), 2048, _COMPLETE))
            for at in range(20 + _QUERIES)
        ]
        for _, name in known
    ]
    for way, shot in _FOLDS:
        fold: dict[str, list] = {'train': [], 'test': []}
        for at in range(way):
            label = known[at][0]
            rows = [(cloud, at, label) for cloud in pool[at]]
            fold['train'] += rows[:shot]
            fold['test'] += rows[-_QUERIES:]
        path = root / 'ModelNetFewshot' / f'{way}way_{shot}shot' / '0.pkl'
        write_bytes(path, pickle.dumps(fold, protocol=4))


def write_scanobjectnn(root: Path, counts: tuple[int, int], seed: int) -> None:
    """Write scans of the three variants of ScanObjectNN."""
    import h5py

    with_background = ScanOptions(tilt=0.0, clutter=0.2)
    for folder, ending, options in (
        ('main_split', '', with_background),
        ('main_split_nobg', '', ScanOptions(tilt=0.0, clutter=0.0)),
        ('main_split', '_augmentedrot_scale75', with_background),
    ):
        parts = zip(('training', 'test'), counts, strict=True)
        for split, count in parts:
            clouds, labels = [], []
            for label, name in _drawable(ScanObjectNN.METAINFO['classes']):
                for number in range(count):
                    key = f'scan {folder} {ending} {split}', name, number
                    cloud = _cloud(seed, key, 2048, options)
                    clouds.append(cloud.points)
                    labels.append(label)
            path = root / 'ScanObjectNN' / folder
            path.mkdir(parents=True, exist_ok=True)
            name = f'{split}_objectdataset{ending}.h5'
            with h5py.File(path / name, 'w') as file:
                file['data'] = np.stack(clouds)
                file['label'] = np.array(labels, np.int32)


def write_shapenet_part(
    root: Path, counts: tuple[int, int], seed: int
) -> None:
    """Write objects with parts; these are numbered, their names differ."""
    folder = root / FOLDER
    synsets = []
    listed: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
    for category, (synset, _) in CATEGORIES.items():
        synsets.append(f'{category}\t{synset}\n')
        kind = REGISTRY.get(category.lower())
        if kind is None:
            continue
        own = np.array(_PARTS[category])
        for split in listed:
            for number in range(counts[split != 'train']):
                key = f'parts {split}', kind.name, number
                cloud = _cloud(seed, key, 2500, _COMPLETE)
                labels = own[np.minimum(cloud.labels, len(own) - 1)]
                rows = [cloud.points, cloud.normals, labels]
                name = f'{split}_{number:04d}'
                layout = '%.5f %.5f %.5f %.4f %.4f %.4f %.1f'
                path = folder / synset / f'{name}.txt'
                write_rows(path, np.column_stack(rows), layout)
                listed[split].append(f'shape_data/{synset}/{name}')
    path = folder / 'synsetoffset2category.txt'
    write_bytes(path, ''.join(synsets).encode())
    for split, names in listed.items():
        name = f'train_test_split/shuffled_{split}_file_list.json'
        write_json(folder / name, names)


def write_s3dis(root: Path, counts: tuple[int, int], seed: int) -> None:
    """Write so many rooms of each of the six areas, x y z r g b label."""
    scan = RoomScanOptions(num_points=60_000, num_views=12)
    rooms = RoomSet(scan=scan, seed=seed)
    kinds = list(RECIPES)
    labels = np.full(max(NYU40.values()) + 1, ROOM_CLASSES.index('clutter'))
    labels[[*_ROOM_LABELS]] = [*_ROOM_LABELS.values()]
    for area in range(1, 7):
        for number in range(counts[0] if area != 5 else counts[1]):
            # Every area begins with another kind of room.
            order = (area - 1) + len(kinds) * number + number
            task = RoomTask(f'area {area}', order, '')
            made = rooms.room_scan(task)
            kind = kinds[order % len(kinds)].replace(' ', '')
            points = made.points - [*made.points[:, :3].min(0), 0, 0, 0]
            rows = np.column_stack([points, labels[made.semantic]])
            name = f'Area_{area}_{kind}_{number + 1}.npy'
            path = root / 's3dis' / 'stanford_indoor3d' / name
            write_array(path, rows.astype(np.float32))


# What the command line calls them; counts are for training and testing, of a
# class, or of an area.
WRITERS: dict[str, Callable[[Path, tuple[int, int], int], None]] = {
    'modelnet40': write_modelnet40,
    'fewshot': write_fewshot,
    'scanobjectnn': write_scanobjectnn,
    'shapenetpart': write_shapenet_part,
    's3dis': write_s3dis,
}


def _drawable(classes: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield label and category of the classes that can be drawn."""
    for label, name in enumerate(classes):
        drawn = _DRAWN_AS.get(name, name)
        if drawn in REGISTRY:
            yield label, drawn


def _cloud(
    seed: int, key: tuple[str, str, int], count: int, options: ScanOptions
) -> Cloud:
    """Make a cloud; the same on every call."""
    rng = stream(seed, *key)
    return scan_shape(REGISTRY[key[1]].draw(rng), count, options, rng)


def _far_first(cloud: Cloud) -> np.ndarray:
    """Order points and normals (N, 6) as stored: farthest points first."""
    points = torch.from_numpy(cloud.points)
    first = farthest_point_sample(points[None], 1200)[0].numpy()
    others = np.setdiff1d(np.arange(len(points)), first)
    rows = np.concatenate([cloud.points, cloud.normals], axis=1)
    return rows[np.concatenate([first, others])].astype(np.float32)
