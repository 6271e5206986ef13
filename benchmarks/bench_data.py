"""Time an epoch of a data set from its files and from a pack.

Random clouds are written to a temporary folder, in ShapeNet-55's layout and a
twentieth as many as text files, packed, and read in random order, from files
and from the pack in turn; both give the same samples, which is checked first.
The ratio of the medians is what counts. The
files were just written, so both are read from the page cache: what a cold disk
or a network file system adds to each open is not measured, and is in favour of
the pack.

Usage: python benchmarks/bench_data.py [--clouds 2000] [--points 8192]
    [--num-workers 0] [--repeats 5] [--folder DIR]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmdet3d_act.datasets import EpochSampler, PointCloudDataset
from mmdet3d_act.datasets.packs import pack_dataset, plan_pack
from mmdet3d_act.registry import DATASETS

READ = [dict(type='LoadPointCloud')]
AUGMENT = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=1024),
    dict(type='NormalizeToUnitSphere'),
    dict(type='RandomPointScaleShift'),
    dict(type='PackPointInputs'),
]


def write_shapenet(root: Path, num_clouds: int, num_points: int) -> dict:
    """Write random clouds in ShapeNet-55's layout; return their config."""
    rng = np.random.default_rng(0)
    (root / 'shapenet_pc').mkdir(parents=True)
    (root / 'ShapeNet-55').mkdir()
    names = [f'03001627-{index}.npy' for index in range(num_clouds)]
    (root / 'ShapeNet-55' / 'train.txt').write_text('\n'.join(names))
    for name in names:
        points = rng.normal(size=(num_points, 3)).astype(np.float32)
        np.save(root / 'shapenet_pc' / name, points)
    return dict(type='ShapeNet55', data_root=str(root), split='train')


def write_text(root: Path, num_clouds: int, num_points: int) -> dict:
    """Write random clouds as text files; return their config."""
    rng = np.random.default_rng(0)
    root.mkdir()
    for index in range(num_clouds):
        points = rng.normal(size=(num_points, 3))
        np.savetxt(root / f'{index}.txt', points, '%.6f', ',')
    return dict(type='PointFolder', data_root=str(root))


def epoch_time(
    dataset: PointCloudDataset, num_workers: int, epoch: int
) -> float:
    """Return the seconds that an epoch takes, the start of workers too."""
    sampler = EpochSampler(dataset, seed=0)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        dataset,
        batch_size=64,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def start_time(cfg: dict) -> float:
    """Return the seconds until the list of samples is there."""
    start = time.perf_counter()
    DATASETS.build(cfg)
    return time.perf_counter() - start


def compare(
    name: str, cfg: dict, pipeline: list, args: argparse.Namespace
) -> None:
    """Print a row: medians in ms per cloud."""
    both = [
        DATASETS.build(cfg | dict(pipeline=pipeline, packed=packed))
        for packed in (None, 'auto')
    ]
    if pipeline is READ:
        points = [data[1]['points'].tensor for data in both]
        assert torch.equal(*points)
    times = [
        [epoch_time(data, args.num_workers, epoch) for data in both]
        for epoch in range(args.repeats)
    ]
    report(name, times, len(both[0]))


def report(name: str, times: list[list[float]], num_clouds: int) -> None:
    """Print the medians of seconds (repeats, 2), in ms per cloud."""
    files, pack = (
        1e3 * statistics.median(column) / num_clouds
        for column in zip(*times, strict=True)
    )
    print(f'| {name} | {files:.3f} | {pack:.3f} | {files / pack:.1f} |')


def run(folder: Path, args: argparse.Namespace) -> None:
    """Write the clouds, pack them and print the table."""
    number = args.clouds, args.points
    shapenet = write_shapenet(folder / 'npy', *number)
    text = write_text(folder / 'txt', max(2, args.clouds // 20), args.points)
    for cfg in (shapenet, text):
        path, source = plan_pack(cfg | dict(pipeline=READ))
        start = time.perf_counter()
        pack_dataset(path, source)
        print(f'packed {path} in {time.perf_counter() - start:.1f} s')
    print('| ms per cloud | files | pack | files / pack |')
    print('|---|---|---|---|')
    compare('.npy, reading alone', shapenet, READ, args)
    compare('.npy, and augmentation of 1024 points', shapenet, AUGMENT, args)
    compare('.txt, reading alone', text, READ, args)
    compare('.txt, and augmentation of 1024 points', text, AUGMENT, args)
    starts = [
        [start_time(shapenet | dict(packed=p)) for p in (None, 'auto')]
        for _ in range(args.repeats)
    ]
    report('start: the list of samples', starts, args.clouds)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--clouds', type=int, default=2000)
    parser.add_argument('--points', type=int, default=8192)
    parser.add_argument('--num-workers', type=int, default=0)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--folder', help='where the clouds are written')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        run(Path(folder), args)


if __name__ == '__main__':
    main()
