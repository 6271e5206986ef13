"""Packs: the clouds of a data set in one memory-mapped array.

A pack is a folder ``<name>.pack`` with two files. ``points.npy`` has the
numbers of all clouds, one cloud after the other, float32. ``index.json`` has
``read_options``, which say how files were read, and ``clouds``: by the path
from the data root the size and time of the file, and of its cloud the offset,
the number of points, 0 where the cloud stays with its file, and of columns.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import log_once

AUTO = 'auto'
SUFFIX = '.pack'
TOOL = 'tools/dataset_converters/pack_points.py'
_POINTS, _INDEX = 'points.npy', 'index.json'
_PLACE = '_pack_place'


def read_index(path: str) -> dict[str, dict]:
    """Read ``read_options`` and ``clouds`` of a pack."""
    try:
        with open(os.path.join(path, _INDEX), encoding='utf-8') as file:
            content = json.load(file)
        _map_points(path, _stamp(os.path.join(path, _POINTS)))
        return dict(
            read_options=content['read_options'], clouds=content['clouds']
        )
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f'{path} is damaged or of an earlier version: {error}; pack '
            f'again with {TOOL}, or set packed=None'
        ) from error


@functools.lru_cache
def _map_points(path: str, stamp: tuple[int, int]) -> np.ndarray:
    """Map the numbers of a pack that was written at a time."""
    return np.load(os.path.join(path, _POINTS), mmap_mode='r')


def write_pack(
    path: str,
    read_options: dict,
    stamps: dict[str, tuple[int, int]],
    clouds: Iterable[np.ndarray | None],
) -> None:
    """Write a pack beside its place, and move it there once it is complete.

    Args:
        path: The folder; what is in its place makes room.
        read_options: How the files were read, JSON values.
        stamps: Size and time of each file, by its path from the data root.
        clouds: Of each file (N, 3 + F), or None where it is not packed.
    """
    place = Path(path)
    part = place.with_name(f'.{place.name}.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    index, offset = {}, 0
    with open(part / _POINTS, 'wb') as file:
        _write_npy_header(file, 0)
        for (name, stamp), cloud in zip(stamps.items(), clouds, strict=True):
            numbers = np.empty((0, 3)) if cloud is None else cloud
            numbers = np.ascontiguousarray(numbers, '<f4')
            index[name] = [*stamp, offset, *numbers.shape]
            file.write(numbers.tobytes())
            offset += numbers.size
        file.seek(0)
        _write_npy_header(file, offset)
    content = dict(read_options=read_options, clouds=index)
    (part / _INDEX).write_text(json.dumps(content), encoding='utf-8')
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    part.rename(place)


def _write_npy_header(file: BinaryIO, count: int) -> None:
    # NumPy leaves room for the length to grow: both headers are as long.
    header = dict(descr='<f4', fortran_order=False, shape=(count,))
    np.lib.format.write_array_header_1_0(file, header)


def _stamp(path: str) -> tuple[int, int]:
    """Give what changes when a file is written again: its size and time."""
    if not os.path.exists(path):
        return 0, 0
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


class PackableDataset(PointCloudDataset):
    """Base of data sets with a file per object, which can be packed.

    A pack holds what `LoadPointCloud` reads; samples are the same with and
    without it. A cloud that is in no pack, or whose file has changed since,
    is read from its file, with a warning.

    Args:
        data_root: Folder of the data set.
        split: Part of the data set.
        packed: ``'auto'``: clouds come from the packs in ``data_root``, where
            there are some. A folder: from the packs in it. None: from their
            files.
        **kwargs: Arguments of `PointCloudDataset`.
    """

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        packed: str | None = AUTO,
        **kwargs: Any,
    ) -> None:
        self.packed = packed
        super().__init__(data_root, split, **kwargs)

    def pack_name(self) -> str:
        """Name the pack, without suffix."""
        return f'{type(self).__name__}_{self.split or "all"}'

    def pack_folder(self) -> str:
        """Name the folder of the packs."""
        return self.data_root if self.packed in (None, AUTO) else self.packed

    def loader(self) -> LoadPointCloud | None:
        """Find the transform that reads the clouds."""
        return self.first_transform(LoadPointCloud)

    def load_samples(self) -> list[dict]:
        """List all samples, and note where each is packed."""
        samples = super().load_samples()
        loader = self.loader()
        if self.packed is None or self.archive or loader is None:
            return samples
        if loader.needs_names:
            # A pack has numbers only.
            return samples
        known: set[str] = set()
        places: dict[tuple, tuple] = {}
        for folder in sorted(Path(self.pack_folder()).glob(f'[!.]*{SUFFIX}')):
            pack = read_index(str(folder))
            known |= pack['clouds'].keys()
            if pack['read_options'] == loader.read_options:
                stamp = _stamp(str(folder / _POINTS))
                for name, (size, time, *place) in pack['clouds'].items():
                    places[name, size, time] = str(folder), stamp, *place
        left = []
        for sample in samples:
            name = self.packed_name(sample['lidar_path'])
            place = places.get((name, *_stamp(sample['lidar_path'])))
            if place is None:
                left += [name] if name in known else []
            elif place[3] > 0:
                sample[_PLACE] = place
        if left:
            log_once(
                f'{type(self).__name__}: {len(left)} of {len(samples)} clouds '
                'have changed since they were packed, or were packed with '
                'other options of LoadPointCloud, and are read from their '
                f'files, for example {left[0]}. Pack again with {TOOL}.'
            )
        return samples

    def packed_name(self, path: str) -> str:
        """Name a file as packs do, from the data root."""
        return path.removeprefix(os.path.join(self.data_root, ''))

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information, with its cloud where it is packed."""
        info = super().get_data_info(idx)
        if _PLACE in info:
            path, stamp, offset, rows, columns = info.pop(_PLACE)
            numbers = _map_points(path, stamp)[
                offset : offset + rows * columns
            ]
            info['raw_points'] = np.asarray(numbers).reshape(rows, columns)
        return info


# Making packs.


class _Clouds(Dataset):
    """The cloud of each sample, or why it cannot be packed."""

    def __init__(
        self, dataset: PackableDataset, loader: LoadPointCloud
    ) -> None:
        self.dataset = dataset
        self.loader = loader

    def __getitem__(self, idx: int) -> np.ndarray | str | None:
        try:
            points, offset, _ = self.loader.read(
                self.dataset.get_data_info(idx)
            )
        except BadSampleError as error:
            return error.fault
        # A pack has no place for the offset of geo-referenced clouds.
        return None if offset.any() else points


def plan_pack(cfg: dict, out: str | None = None) -> tuple[str, dict] | None:
    """Find where the pack of a data set is to be, and what goes into it.

    Args:
        cfg: Config of a data set, not of a wrapper.
        out: Folder of the pack. None: ``packed`` of the config, by default
            the data set's own folder.

    Returns:
        Its path and the config of its clouds; None where there is nothing to
        pack: no file for each cloud, or no `LoadPointCloud`.
    """
    subset = ('indices', 'filter_cfg', 'label_fraction', 'label_seed')
    cfg = {key: value for key, value in cfg.items() if key not in subset}
    cfg |= dict(lazy_init=True, test_mode=False, serialize_data=False)
    dataset = DATASETS.build(cfg)
    if not isinstance(dataset, PackableDataset) or dataset.archive:
        return None
    loader = dataset.loader()
    if loader is None:
        return None
    path = Path(out or dataset.pack_folder(), dataset.pack_name() + SUFFIX)
    reading = dict(packed=None, static_pipeline=None, pipeline=[loader])
    return str(path), cfg | reading


def pack_dataset(
    path: str,
    cfg: dict,
    *,
    on_error: str = 'raise',
    num_workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Make a pack, unless it holds already what it should.

    Args:
        path: The pack.
        cfg: Config of its data set, as `plan_pack` gives it.
        on_error: ``'raise'``: a sample that cannot be used is an error.
            ``'skip'``: its place in the pack stays empty.
        num_workers: Processes that read; 0 reads in this one.
        progress: Called with the number of files done and of all.

    Returns:
        Whether anything was to be done.
    """
    dataset = DATASETS.build(cfg | dict(on_error=on_error))
    dataset.full_init()
    (loader,) = cfg['pipeline']
    files = [sample['lidar_path'] for sample in dataset.data_list]
    places = {dataset.packed_name(file): n for n, file in enumerate(files)}
    stamps = {name: _stamp(files[n]) for name, n in places.items()}
    if _is_done(path, loader.read_options, stamps):
        return False
    reads = DataLoader(
        _Clouds(dataset, loader),
        batch_size=None,
        sampler=list(places.values()),
        num_workers=num_workers,
    )

    def clouds() -> Iterable[np.ndarray | None]:
        for done, (place, cloud) in enumerate(
            zip(places.values(), reads, strict=True), start=1
        ):
            if isinstance(cloud, str) and on_error == 'raise':
                raise BadSampleError(files[place], cloud)
            yield None if isinstance(cloud, str) else cloud
            if progress is not None:
                progress(done, len(places))

    write_pack(path, loader.read_options, stamps, clouds())
    return True


def _is_done(
    path: str, options: dict, stamps: dict[str, tuple[int, int]]
) -> bool:
    try:
        pack = read_index(path)
    except ValueError:
        return False
    packed = {name: tuple(place[:2]) for name, place in pack['clouds'].items()}
    return (pack['read_options'], packed) == (options, stamps)
