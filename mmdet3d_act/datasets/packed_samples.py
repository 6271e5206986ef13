"""Data sets whose arrays come from packs."""

from __future__ import annotations

import json
import logging
import os
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from mmengine.logging import print_log

from mmdet3d_act.datasets.point_pack import SUFFIX, TOOL, PackError, PointPack
from mmdet3d_act.datasets.readers import BadSampleError

AUTO = 'auto'
_PLACE = '_pack_place'


class OpenPack(NamedTuple):
    """A pack with its index."""

    pack: PointPack
    header: dict
    samples: list[dict]


class PackedSamplesMixin:
    """Takes the arrays of samples from packs, for `BaseDataset`.

    A pack holds what the loading transforms of a pipeline read from files
    (those with ``read_arrays`` and ``read_options``, such as
    `LoadPointCloud`), for one split of one data set. `get_data_info` adds
    these arrays to a sample's information, where the transforms find them.

    The samples are the same with and without a pack. The list of samples is
    made from the original files where they are there; a cloud whose file has
    another size or time of change than when it was packed, or that is not in
    the pack, is read from its file, with a warning. Where the original files
    are gone, the list comes from the pack too.

    A subclass says by `pack_parts`, `list_options` and `list_sources` what
    its list depends on.
    """

    def init_packs(self, packed: str | None = AUTO) -> None:
        """Take the mixin's option; call it before `BaseDataset.__init__`.

        Args:
            packed: ``'auto'``: packs in ``data_root`` are used where there
                are some. A folder: the packs in it, which have to be there.
                None: no packs.
        """
        self.packed = packed
        self._packs: list[PointPack] = []
        self.packed_guesses: dict[str, list] = {}
        self._reads_files = False

    def pack_parts(self) -> tuple[str | None, ...]:
        """Return the splits that are packed separately, in order.

        Returns:
            The split, or those that it consists of.
        """
        return (self.split,)

    def pack_name(self, split: str | None) -> str:
        """Return the name of a split's pack, without suffix.

        Args:
            split: One of `pack_parts`.

        Returns:
            The name.
        """
        return f'{type(self).__name__}_{split or "all"}'

    def list_options(self) -> dict:
        """Return what the list depends on besides folder and split.

        Returns:
            Values that JSON can hold.
        """
        return dict(classes=list(self._metainfo.get('classes', ())))

    def list_sources(self) -> list[str]:
        """Return files that the list is made from, besides the clouds.

        Returns:
            Paths, of small files.
        """
        return []

    def pack_file(self, split: str | None) -> str:
        """Return where the pack of a split is expected.

        Args:
            split: One of `pack_parts`.

        Returns:
            The path.
        """
        folder = self.packed
        if folder in (None, AUTO):
            folder = self.data_root
        name = re.sub(r'[^\w.-]+', '-', self.pack_name(split))
        return os.path.join(folder, name + SUFFIX)

    def loaders(self) -> list:
        """Return the pipelines' transforms that read files.

        Returns:
            Those with ``read_arrays``.
        """
        pipelines = (self.static_pipeline, self.pipeline)
        return [
            transform
            for pipeline in pipelines
            for transform in pipeline.transforms
            if hasattr(transform, 'read_arrays')
        ]

    def find_packs(self) -> list[PointPack]:
        """Return the packs that are there, opened but for their index.

        Returns:
            At most one for each of `pack_parts`.

        Raises:
            FileNotFoundError: If one is missing in the folder ``packed``.
            PackError: If one cannot be used.
        """
        if self.packed is None:
            return []
        files = [self.pack_file(split) for split in self.pack_parts()]
        found = [file for file in files if os.path.isfile(file)]
        if self.packed != AUTO and found != files:
            missing = next(file for file in files if file not in found)
            raise FileNotFoundError(
                f'{type(self).__name__}: packed={self.packed!r} names a '
                f'folder with packs, {missing} is not there; make it with '
                f"{TOOL} and --out, or set packed='auto'"
            )
        return [PointPack(file) for file in found]

    def has_all_packed(self) -> bool:
        """Return whether there is a pack for every part.

        Returns:
            Whether the data set can do without its original files.
        """
        packs = self.find_packs()
        return bool(packs) and len(packs) == len(self.pack_parts())

    def load_samples(self, from_files: Callable[[], list[dict]]) -> list[dict]:
        """Return the information of every sample, and where it is packed.

        Args:
            from_files: Returns the list made from the original files, which
                is empty, or raises FileNotFoundError, where they are gone.

        Returns:
            One dict per sample.

        Raises:
            FileNotFoundError: If neither the original files nor packs of
                every part are there.
            PackError: If a pack cannot be used.
        """
        self._reads_files = bool(self.loaders())
        packs = [
            opened
            for opened in (
                OpenPack(pack, *pack.load_index())
                for pack in self.find_packs()
            )
            if self._fits(opened)
        ]
        self._packs = [opened.pack for opened in packs]
        whole = bool(packs) and len(packs) == len(self.pack_parts())
        if whole and all(map(self._is_current_archive, packs)):
            samples = self._list_packed_samples(packs)
        else:
            try:
                samples = from_files()
            except FileNotFoundError:
                if not whole:
                    raise
                samples = []
            if whole and not samples:
                self._check_lists(packs)
                samples = self._list_packed_samples(packs)
        self._place(samples, packs, whole)
        return samples

    def get_data_info(self, idx: int) -> dict:
        """Return a sample's information, with its arrays where it is packed.

        Args:
            idx: Index of the sample.

        Returns:
            The information.

        Raises:
            BadSampleError: If the sample was packed as one that cannot be
                used.
        """
        info = super().get_data_info(idx)
        place = info.pop(_PLACE, None)
        if place is not None and self._reads_files:
            number, sample = place
            if 'fault' in sample:
                raise BadSampleError(info['lidar_path'], sample['fault'])
            info.update(self._packs[number].read(sample['arrays']))
        return info

    def _fits(self, opened: OpenPack) -> bool:
        """Return whether a pack was read as the pipelines read; or warn."""
        packed = opened.header['loaders']
        wanted = loader_options(self.loaders())
        for name, options in wanted.items():
            if packed.get(name, options) != options:
                self._warn(
                    f'{opened.pack.path} is not used: it was packed with '
                    f'{name} {packed[name]}, the pipeline has {options}'
                )
                return False
        return True

    def _is_current_archive(self, opened: OpenPack) -> bool:
        """Return whether a list from files would only unpack them again.

        So it is where the samples are in one file, which is as it was.
        """
        paths = [
            self._to_path(s['info']['lidar_path']) for s in opened.samples
        ]
        files = {file_of(path) for path in paths}
        return (
            len(files) == 1
            and files.isdisjoint(paths)
            and stamp_of(files.pop()) == opened.samples[0]['stamp']
            and opened.header['list_options'] == _as_json(self.list_options())
        )

    def _check_lists(self, packs: list[OpenPack]) -> None:
        """Refuse lists that are not what would be made from the files."""
        asked = _as_json(self.list_options())
        for pack, header, _ in packs:
            if header['list_options'] != asked:
                raise PackError(
                    pack.path,
                    f'its list was made with {header["list_options"]}, asked '
                    f'for is {asked}, and the original files are gone',
                    'use the options that it was packed with, or bring the '
                    'files back and pack again',
                )
            if header['classes'] != packs[0].header['classes']:
                raise PackError(
                    pack.path,
                    f'its classes are not those of {packs[0].pack.path}, and '
                    'the original files are gone',
                    'bring the files back and pack all splits again',
                )
            for name, crc in header['sources'].items():
                path = self._to_path(name)
                if os.path.isfile(path) and checksum_of(path) != crc:
                    raise PackError(
                        pack.path,
                        f'{path} has changed since, and the original files '
                        'are gone',
                        'remove it to use the packed list, or bring the '
                        f'files back and pack again with {TOOL}',
                    )

    def _list_packed_samples(self, packs: list[OpenPack]) -> list[dict]:
        self._metainfo['classes'] = tuple(packs[0].header['classes'])
        self.packed_guesses = packs[0].header.get('guesses', {})
        infos = [dict(s['info']) for opened in packs for s in opened.samples]
        for info in infos:
            info['lidar_path'] = self._to_path(info['lidar_path'])
        return infos

    def _place(
        self, samples: list[dict], packs: list[OpenPack], whole: bool
    ) -> None:
        """Note in each sample where it is packed; say which are not."""
        places = {
            self._to_path(sample['info']['lidar_path']): (number, sample)
            for number, opened in enumerate(packs)
            for sample in opened.samples
        }
        stamps = {file_of(path): None for path in places}
        stamps = {file: stamp_of(file) for file in stamps}
        left = []
        for sample in samples:
            path = sample['lidar_path']
            if path not in places:
                left += [path] if whole else []
                continue
            number, packed = places[path]
            if stamps[file_of(path)] not in (None, packed['stamp']):
                left.append(path)
                continue
            kind = 'fault' if 'fault' in packed else 'arrays'
            sample[_PLACE] = number, {kind: packed[kind]}
        if left:
            self._warn(
                f'{len(left)} of {len(samples)} clouds are new or have '
                'changed since they were packed, and are read from their '
                f'files, for example {left[0]}'
            )

    def _warn(self, text: str) -> None:
        print_log(
            f'{type(self).__name__}: {text}. To pack again: {self._command()}',
            logger='current',
            level=logging.WARNING,
        )

    def _command(self) -> str:
        split = '' if self.split is None else f' --split {self.split}'
        return (
            f'python {TOOL} CONFIG, or --dataset {type(self).__name__} '
            f"--data-root {self.data_root}{split} with the data set's "
            'further --options and --load-options'
        )

    def _to_path(self, name: str) -> str:
        return os.path.join(self.data_root, name)


def loader_options(loaders: list) -> dict[str, dict]:
    """Return what decides how transforms read files, by their class's name.

    Args:
        loaders: Transforms with ``read_options``.

    Returns:
        Values that JSON can hold.
    """
    return {type(one).__name__: one.read_options for one in loaders}


def file_of(path: str) -> str:
    """Return the file of a sample.

    Args:
        path: A file, or ``file#3``, the fourth sample in a file.

    Returns:
        The file.
    """
    file, _, number = path.rpartition('#')
    return file if file and number.isdigit() else path


def stamp_of(path: str) -> list[int] | None:
    """Return what changes when a file is written again.

    Args:
        path: The file.

    Returns:
        Size in bytes and time of change in ns; None where there is no file.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _as_json(value: dict) -> dict:
    return json.loads(json.dumps(value))


def checksum_of(path: str) -> int:
    """Return the CRC-32 of a file.

    Args:
        path: The file.

    Returns:
        The checksum.
    """
    with open(path, 'rb') as file:
        return zlib.crc32(file.read())
