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
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
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
        size = len(_map_points(path, stamp_of(os.path.join(path, _POINTS))))
        for name, (*_, offset, rows, columns) in content['clouds'].items():
            if (
                min(offset, rows, columns) < 0
                or offset + rows * columns > size
            ):
                raise ValueError(f'{name} is not in {_POINTS}')
        return dict(
            read_options=content['read_options'], clouds=content['clouds']
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
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


def stamp_of(path: str) -> tuple[int, int]:
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
                stamp = stamp_of(str(folder / _POINTS))
                for name, (size, time, *place) in pack['clouds'].items():
                    places[name, size, time] = str(folder), stamp, *place
        left = []
        for sample in samples:
            name = self.packed_name(sample['lidar_path'])
            place = places.get((name, *stamp_of(sample['lidar_path'])))
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
