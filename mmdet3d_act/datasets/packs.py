"""Packs: the clouds of a split in one memory-mapped array.

A pack is a folder ``<name>.pack`` with two files. ``points.npy`` has the
numbers of all clouds, one cloud after the other, float32. ``index.json`` says
how the pack was made, and of each sample its information, the stamp of its
file (size and time of change) and either ``offset`` and ``shape`` of its
cloud, or ``fault``, why it cannot be used.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
from mmdet3d_act.registry import DATASETS

AUTO = 'auto'
SUFFIX = '.pack'
TOOL = 'tools/dataset_converters/pack_points.py'
_VERSION = 2
_POINTS, _INDEX = 'points.npy', 'index.json'
_PLACE = '_pack_place'


class PackError(ValueError):
    """A pack that cannot be used; the text names it and what to do."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(
            f'{path}: {fault}; pack again with {TOOL}, or set packed=None in '
            "the data set's config to read the original files"
        )


class Pack:
    """Reads the clouds of a pack through a memory map.

    The index is checked against the array once, here. A pickled or copied
    pack takes no cloud along.

    Args:
        path: The folder.

    Raises:
        PackError: If it is no pack, of another version, or its index does not
            fit its points.

    Example:
        >>> samples = [dict(info=dict(gt_label=4), stamp=None)]
        >>> write_pack('one.pack', {}, samples, [np.ones((8, 3))])
        >>> Pack('one.pack').read(0).shape
        (8, 3)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if os.path.isfile(path):
            raise PackError(path, 'it was made by an earlier version')
        try:
            with open(os.path.join(path, _INDEX), encoding='utf-8') as file:
                index = json.load(file)
            self.header: dict = index['header']
            self.samples: list[dict] = index['samples']
            version = index['version']
            self._points = self._map_points()
            self._places = [
                None if 'fault' in sample else _read_place(sample)
                for sample in self.samples
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackError(path, f'damaged or incomplete: {error}') from error
        if version != _VERSION:
            raise PackError(path, f'its format is version {version}')
        total = len(self._points)
        for offset, rows, columns in filter(None, self._places):
            size = rows * columns
            if min(rows, columns, size) < 1 or not 0 <= offset <= total - size:
                raise PackError(
                    path,
                    f'its index names {rows} x {columns} numbers from '
                    f'{offset} on, {_POINTS} has {total}',
                )

    def _map_points(self) -> np.ndarray:
        points = np.load(os.path.join(self.path, _POINTS), mmap_mode='r')
        if points.ndim != 1 or points.dtype != np.float32:
            raise ValueError(
                f'{_POINTS} holds {points.dtype} {points.shape}, expected '
                'float32 (numbers,)'
            )
        return points

    def __getstate__(self) -> dict:
        """Return what another process needs to open the pack."""
        kept = dict(_points=len(self._points), header={}, samples=[])
        return self.__dict__ | kept

    def __setstate__(self, state: dict) -> None:
        """Open the pack in another process."""
        self.__dict__.update(state)
        self._points = self._map_points()
        if len(self._points) != state['_points']:
            raise PackError(self.path, 'it was replaced while in use')

    def __deepcopy__(self, memo: dict) -> Pack:
        """Return the pack itself: it does not change."""
        return self

    def read(self, number: int) -> np.ndarray:
        """Give the cloud of a sample, a view that cannot be written to."""
        offset, rows, columns = self._places[number]
        numbers = self._points[offset : offset + rows * columns]
        return np.asarray(numbers).reshape(rows, columns)


def _read_place(sample: dict) -> tuple[int, int, int]:
    rows, columns = sample['shape']
    return int(sample['offset']), int(rows), int(columns)


def write_pack(
    path: str,
    header: dict,
    samples: Sequence[dict],
    clouds: Iterable[np.ndarray | str],
) -> None:
    """Write a pack beside its place, and move it there once it is complete.

    Args:
        path: The folder; what is in its place makes room.
        header: How the pack was made, JSON values.
        samples: ``info`` and ``stamp`` of each sample.
        clouds: Of each sample (N, 3 + F), or why it cannot be used.
    """
    place = Path(path)
    part = place.with_name(f'.{place.name}.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    index, offset = [], 0
    with open(part / _POINTS, 'wb') as file:
        _write_npy_header(file, 0)
        for sample, cloud in zip(samples, clouds, strict=True):
            if isinstance(cloud, str):
                index.append({**sample, 'fault': cloud})
                continue
            cloud = np.ascontiguousarray(cloud, '<f4')
            shape = list(cloud.shape)
            index.append({**sample, 'offset': offset, 'shape': shape})
            file.write(cloud.tobytes())
            offset += cloud.size
        file.seek(0)
        _write_npy_header(file, offset)
    with open(part / _INDEX, 'w', encoding='utf-8') as file:
        json.dump(dict(version=_VERSION, header=header, samples=index), file)
    if place.is_dir():
        shutil.rmtree(place)
    elif place.exists():
        place.unlink()
    part.rename(place)


def _write_npy_header(file: object, count: int) -> None:
    # NumPy leaves room for the length to grow: both headers are as long.
    header = dict(descr='<f4', fortran_order=False, shape=(count,))
    np.lib.format.write_array_header_1_0(file, header)


class PackableDataset(PointCloudDataset):
    """Base of data sets of object clouds, which can be packed.

    A pack holds what `LoadPointCloud` reads, for one split of one data set;
    the samples are the same with and without it. The list of samples is made
    from the original files where they are there; a cloud whose file has
    changed since, or that is not in the pack, is read from its file, with a
    warning. Without the original files the list comes from the pack too.

    A subclass says by `pack_parts`, `pack_name`, `list_options`,
    `list_sources` and `archive` what its list depends on.

    Args:
        data_root: Folder of the data set.
        split: Part of the data set.
        packed: ``'auto'``: clouds come from packs in ``data_root`` where
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
        **kwargs: object,
    ) -> None:
        self.packed = packed
        self._packs: list[Pack] = []
        self._clouds: Sequence[np.ndarray] | None = None
        super().__init__(data_root, split, **kwargs)

    # What a subclass says of its list.

    archive: str | None = None  # The file that all clouds are in.
    guesses: ClassVar[dict] = {}  # What a pack keeps of guesses, as JSON.

    def pack_parts(self) -> tuple[str | None, ...]:
        """Name the splits that are packed separately, in order."""
        return (self.split,)

    def pack_name(self, part: str | None) -> str:
        """Name the pack of a part, without suffix."""
        return f'{type(self).__name__}_{part or "all"}'

    def list_options(self) -> dict:
        """Give what the list depends on besides folder and split, as JSON."""
        return dict(classes=list(self._metainfo.get('classes', ())))

    def list_sources(self) -> list[str]:
        """Name the small files that the list is made from."""
        return []

    def list_archive(
        self,
        clouds: Sequence[np.ndarray],
        labels: Sequence[int],
        **info: object,
    ) -> list[dict]:
        """List the clouds of `archive`, which stay in memory.

        A sample is called ``file#number``. Processes that are forked share
        the clouds, others get a copy: pack large files.

        Args:
            clouds: Arrays (N, 3 + F).
            labels: As many, in [0, number of classes).
            **info: What else the information of each holds.

        Returns:
            One dict per cloud.

        Raises:
            ValueError: If a label is none of a class.
        """
        classes = self._metainfo['classes']
        wrong = set(labels) - set(range(len(classes)))
        if wrong:
            raise ValueError(
                f'{self.archive}: expected labels in [0, {len(classes)}), got '
                f'{min(wrong)}'
            )
        self._clouds = clouds
        return [
            dict(
                lidar_path=f'{self.archive}#{number}',
                archive_index=number,
                **info,
                split=self.split,
                gt_label=label,
                category=classes[label],
            )
            for number, label in enumerate(labels)
        ]

    # Packs.

    def pack_path(self, part: str | None) -> str:
        """Name the folder of a part's pack."""
        folder = self.data_root if self.packed == AUTO else self.packed
        name = re.sub(r'[^\w.-]+', '-', self.pack_name(part))
        return os.path.join(folder or self.data_root, name + SUFFIX)

    def loader(self) -> LoadPointCloud | None:
        """Find the transform that reads the clouds."""
        return self.first_transform(LoadPointCloud)

    def find_packs(self) -> list[Pack]:
        """Open the packs that are there, at most one for each part.

        Raises:
            FileNotFoundError: If one is missing in the folder ``packed``.
            PackError: If one cannot be used.
        """
        if self.packed is None:
            return []
        paths = [self.pack_path(part) for part in self.pack_parts()]
        found = [path for path in paths if os.path.exists(path)]
        if self.packed != AUTO and found != paths:
            missing = next(path for path in paths if path not in found)
            raise FileNotFoundError(
                f'{type(self).__name__}: {missing} is not there, which '
                f'packed={self.packed!r} asks for; make it with {TOOL} '
                "--out, or set packed='auto'"
            )
        return [Pack(path) for path in found]

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Say what keeps a configured data set from being read."""
        dataset = cls.without_pipelines(cfg)
        try:
            packs = dataset.find_packs()
        except (FileNotFoundError, PackError) as error:
            return [str(error)]
        if packs and len(packs) == len(dataset.pack_parts()):
            return []
        return dataset.find_problems()

    def load_samples(self) -> list[dict]:
        """List all samples, and note where each is packed.

        Raises:
            FileNotFoundError: If neither the original files nor packs of
                every part are there.
            PackError: If a pack cannot be used.
        """
        packs = [pack for pack in self.find_packs() if self._reads_alike(pack)]
        self._packs = packs
        whole = bool(packs) and len(packs) == len(self.pack_parts())
        samples: list[dict] = []
        if not (whole and all(map(self._is_packed_archive, packs))):
            try:
                samples = super().load_samples()
            except FileNotFoundError:
                if not whole:
                    raise
        if whole and not samples:
            samples = self._list_packed()
        self._place(samples, whole)
        return samples

    def _reads_alike(self, pack: Pack) -> bool:
        """Tell whether the pipelines read as the pack was read; or warn."""
        loader = self.loader()
        if loader is None or loader.read_options == pack.header['loader']:
            return True
        self._warn(
            f'{pack.path} is not used: it was packed with '
            f'{pack.header["loader"]}, the pipeline has {loader.read_options}'
        )
        return False

    def _is_packed_archive(self, pack: Pack) -> bool:
        """Tell whether the archive would only give the packed list again."""
        return (
            self.archive is not None
            and all(
                sample['stamp'] == stamp_of(self.archive)
                for sample in pack.samples[:1]
            )
            and pack.header['list_options'] == _as_json(self.list_options())
        )

    def _list_packed(self) -> list[dict]:
        """List the samples of the packs, as the original files are gone."""
        asked = _as_json(self.list_options())
        for pack in self._packs:
            made = pack.header['list_options']
            if made != asked:
                raise PackError(
                    pack.path,
                    'the original files are gone, and it was made with '
                    f'{made}, asked for is {asked}',
                )
            for name, crc in pack.header['sources'].items():
                path = self._to_path(name)
                if os.path.isfile(path) and _crc_of(path) != crc:
                    raise PackError(
                        pack.path,
                        f'{path} has changed since, and the original files '
                        'are gone',
                    )
        header = self._packs[0].header
        self._metainfo['classes'] = tuple(header['classes'])
        self.guesses = header['guesses']
        infos = [s['info'] for pack in self._packs for s in pack.samples]
        return [
            info | dict(lidar_path=self._to_path(info['lidar_path']))
            for info in infos
        ]

    def _place(self, samples: list[dict], whole: bool) -> None:
        """Note in each sample where it is packed; say which are not."""
        places = {
            self._to_path(packed['info']['lidar_path']): (number, row, packed)
            for number, pack in enumerate(self._packs)
            for row, packed in enumerate(pack.samples)
        }
        left = []
        for sample in samples:
            path = sample['lidar_path']
            number, row, packed = places.get(path, (None, None, None))
            if packed is None:
                left += [path] if whole else []
            elif stamp_of(_file_of(path)) not in (None, packed['stamp']):
                left.append(path)
            else:
                sample[_PLACE] = number, row, packed.get('fault')
        if left:
            self._warn(
                f'{len(left)} of {len(samples)} clouds are new or have '
                'changed since they were packed, and are read from their '
                f'files, for example {left[0]}'
            )

    def _to_path(self, name: str) -> str:
        return os.path.join(self.data_root, name)

    def _warn(self, text: str) -> None:
        print_log(
            f'{type(self).__name__}: {text}. Pack again with {TOOL}.',
            logger='current',
            level=logging.WARNING,
        )

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information, with its cloud where it is known.

        Raises:
            BadSampleError: If it was packed as one that cannot be used.
        """
        info = super().get_data_info(idx)
        place = info.pop(_PLACE, None)
        if place is not None and self.loader() is not None:
            number, row, fault = place
            if fault is not None:
                raise BadSampleError(info['lidar_path'], fault)
            info['raw_points'] = self._packs[number].read(row)
        elif self._clouds is not None:
            info['raw_points'] = self._clouds[info['archive_index']]
        return info


def _file_of(path: str) -> str:
    """Name the file of a sample, which may be called ``file#number``."""
    return re.sub(r'#\d+$', '', path)


def stamp_of(path: str) -> list[int] | None:
    """Give what changes when a file is written again."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _crc_of(path: str) -> int:
    with open(path, 'rb') as file:
        return zlib.crc32(file.read())


def _as_json(value: object) -> object:
    return json.loads(json.dumps(value))


# Making packs.


class _Clouds(Dataset):
    """The cloud of each sample, or why it cannot be used."""

    def __init__(self, dataset: PackableDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> np.ndarray | str:
        try:
            info = self.dataset.get_data_info(idx)
            return self.dataset.loader().read_arrays(info)['raw_points']
        except BadSampleError as error:
            return error.fault


def list_packs(cfg: dict, out: str | None = None) -> dict[str, dict]:
    """Find the packs of a data set, one for each split in it.

    Args:
        cfg: Config of a data set, not of a wrapper.
        out: Folder of the packs. None: ``packed`` of the config, by default
            the data set's own folder.

    Returns:
        By the path of each pack the config of what goes into it; nothing for
        a data set whose files are mapped as they are.

    Raises:
        ValueError: If it is no data set of this package, or its pipelines
            read no cloud.
    """
    cls = DATASETS.get(cfg['type'])
    if cls is None or not issubclass(cls, PointCloudDataset):
        raise ValueError(
            'expected a data set with one cloud per sample, got '
            f'{cfg["type"]}; name one that derives from PointCloudDataset'
        )
    if not issubclass(cls, PackableDataset):
        return {}
    subset = ('indices', 'filter_cfg', 'label_fraction', 'label_seed')
    cfg = {key: value for key, value in cfg.items() if key not in subset}
    cfg = cfg | dict(lazy_init=True, test_mode=False, serialize_data=False)
    folder = out or cfg.pop('packed', None) or AUTO
    dataset = DATASETS.build(cfg | dict(packed=folder))
    loader = dataset.loader()
    if loader is None:
        raise ValueError(
            f'the pipelines of {cfg["type"]} read no files, so there is '
            'nothing to pack; begin one with LoadPointCloud'
        )
    reading = dict(packed=None, static_pipeline=None, pipeline=[loader])
    return {
        dataset.pack_path(part): {**cfg, **reading, 'split': part}
        for part in dataset.pack_parts()
    }


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
        cfg: Config of its data set, as `list_packs` gives it.
        on_error: ``'raise'``: a sample that cannot be used is an error.
            ``'skip'``: it is packed as one.
        num_workers: Processes that read; 0 reads in this one.
        progress: Called with the number of samples done and of all.

    Returns:
        Whether anything was to be done.

    Raises:
        BadSampleError: If a sample cannot be used.
        FileNotFoundError: If the data set is not there or not complete.
    """
    dataset = DATASETS.build(cfg | dict(on_error=on_error))
    dataset.full_init()
    header, samples = _plan(dataset)
    if _is_done(path, header, samples):
        return False
    reads = DataLoader(
        _Clouds(dataset), batch_size=None, num_workers=num_workers
    )

    def clouds() -> Iterable[np.ndarray | str]:
        for number, cloud in enumerate(reads):
            if isinstance(cloud, str) and on_error == 'raise':
                name = dataset.data_list[number]['lidar_path']
                raise BadSampleError(name, cloud)
            yield cloud
            if progress is not None:
                progress(number + 1, len(samples))

    write_pack(path, header, samples, clouds())
    return True


def _plan(dataset: PackableDataset) -> tuple[dict, list[dict]]:
    """Say what a data set's pack holds besides the clouds."""
    root = os.path.join(dataset.data_root, '')

    def to_name(path: str) -> str:
        below = path.startswith(root)
        return path[len(root) :] if below else os.path.abspath(path)

    samples = [
        dict(
            info=info | dict(lidar_path=to_name(info['lidar_path'])),
            stamp=stamp_of(_file_of(info['lidar_path'])),
        )
        for info in dataset.data_list
    ]
    header = dict(
        on_error=dataset.on_error,
        loader=dataset.loader().read_options,
        list_options=dataset.list_options(),
        classes=list(dataset.metainfo.get('classes', ())),
        guesses=dataset.guesses,
        sources={
            to_name(path): _crc_of(path)
            for path in dataset.list_sources()
            if os.path.isfile(path)
        },
    )
    return _as_json(header), _as_json(samples)


def _is_done(path: str, header: dict, samples: list[dict]) -> bool:
    try:
        pack = Pack(path)
    except PackError:
        return False
    kept = [{k: s[k] for k in ('info', 'stamp')} for s in pack.samples]
    return (pack.header, kept) == (header, samples)
