"""One file with the arrays of many samples, read through a memory map.

Layout, little-endian, version 1::

    0   8 bytes  magic
    8   uint32   version of the format
    12  uint32   CRC-32 of the index
    16  uint64   offset of the index
    24  uint64   length of the index
    32  uint32   CRC-32 of bytes 0 to 31
    64  arrays in C order, one sample after the other, each from a multiple
        of 64 on
    ..  the index, to the end of the file: lines of JSON in UTF-8

The first line of the index tells how the pack was made; `PackedSamplesMixin`
decides what stands in it. Each further line is a sample: ``info``, ``stamp``
(size in bytes and time of change in ns of its file) and either ``arrays``,
``{name: [dtype, shape, offset, CRC-32]}``, or ``fault``, why it cannot be
used. Since the index holds the checksum of each array, its own covers all.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

MAGIC = b'\x93ACTPACK'
VERSION = 1
SUFFIX = '.pack'
TOOL = 'tools/dataset_converters/pack_points.py'
_ALIGNMENT = 64
_HEAD = struct.Struct('<8sIIQQ')
_KINDS = 'biuf'


class PackError(ValueError):
    """A pack that cannot be used; the text names it and what to do.

    Args:
        path: The pack.
        fault: What is wrong with it.
        remedy: What to do; None says to pack again.
    """

    def __init__(
        self, path: str, fault: str, remedy: str | None = None
    ) -> None:
        super().__init__(path, fault, remedy)
        self.path = path
        self.fault = fault
        self.remedy = remedy or (
            f'delete it and pack again with {TOOL}, or set packed=None in '
            "the data set's config to read the original files"
        )

    def __str__(self) -> str:
        """Return the file, the fault and the remedy."""
        return f'{self.path}: {self.fault}; {self.remedy}'


class _Head(NamedTuple):
    """Where the index of a pack is, and its checksum: the pack's identity."""

    index_crc: int
    offset: int
    length: int

    def to_bytes(self) -> bytes:
        head = _HEAD.pack(MAGIC, VERSION, *self)
        head += struct.pack('<I', zlib.crc32(head))
        return head.ljust(_ALIGNMENT, b'\0')


def _read_head(file: BinaryIO, path: str) -> _Head:
    head = file.read(_ALIGNMENT)
    if len(head) < _ALIGNMENT or not head.startswith(MAGIC):
        raise PackError(path, f'not a pack made by {TOOL}')
    _, version, *values = _HEAD.unpack_from(head)
    if version > VERSION:
        raise PackError(
            path,
            f'its format has version {version}, this package reads up to '
            f'version {VERSION}',
            'update mmdet3d_act, or pack again',
        )
    found = _Head(*values)
    if head != found.to_bytes():
        raise PackError(path, 'damaged: its header has changed')
    size = os.fstat(file.fileno()).st_size
    if size != found.offset + found.length:
        raise PackError(
            path,
            f'truncated or damaged: expected {found.offset + found.length} '
            f'bytes, got {size}',
        )
    return found


class PointPack:
    """Reads the arrays of samples from a pack.

    The file is mapped at the first access of each process. A copy of the
    object, in this process or by pickling in another one, holds the path and
    the checksum only, no array and no index; a pack that has been replaced
    meanwhile is refused.

    Args:
        path: The file. Its header, its size and so its end are checked.

    Raises:
        FileNotFoundError: If the file does not exist.
        PackError: If it is no pack, of a newer version, or damaged.

    Example:
        >>> with PackWriter('one.pack', {}, [{}]) as writer:
        ...     writer.add(dict(raw_points=np.zeros((8192, 3))))
        ...     writer.finish()
        >>> pack = PointPack('one.pack')
        >>> header, samples = pack.load_index()
        >>> pack.read(samples[0]['arrays'])['raw_points'].shape
        (8192, 3)
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        with open(self.path, 'rb') as file:
            self._head = _read_head(file, self.path)
        self._map: mmap.mmap | None = None

    def __getstate__(self) -> dict:
        """Return what another process needs to open the pack."""
        return self.__dict__ | dict(_map=None)

    def __deepcopy__(self, memo: dict) -> PointPack:
        """Return the pack itself: it does not change."""
        return self

    def _mapped(self) -> mmap.mmap:
        if self._map is None:
            with open(self.path, 'rb') as file:
                if _read_head(file, self.path) != self._head:
                    raise PackError(
                        self.path,
                        'it was replaced while in use',
                        'start the run again',
                    )
                self._map = mmap.mmap(
                    file.fileno(), 0, access=mmap.ACCESS_READ
                )
        return self._map

    def load_index(self) -> tuple[dict, list[dict]]:
        """Return how the pack was made, and its samples.

        Returns:
            The first line of the index, and one dict per sample.

        Raises:
            PackError: If the index has changed since it was written.
        """
        start, length = self._head.offset, self._head.length
        text = self._mapped()[start : start + length]
        if zlib.crc32(text) != self._head.index_crc:
            raise PackError(self.path, 'damaged: its index has changed')
        header, *samples = map(json.loads, text.splitlines())
        return header, samples

    def read(self, arrays: dict[str, list]) -> dict[str, np.ndarray]:
        """Return the arrays of a sample, views that cannot be written to.

        Args:
            arrays: ``arrays`` of the sample in the index.

        Returns:
            Arrays by name, as they were packed.
        """
        buffer = self._mapped()
        return {
            name: np.ndarray(tuple(shape), dtype, buffer, offset)
            for name, (dtype, shape, offset, _) in arrays.items()
        }

    def iter_checked(self) -> Iterator[tuple[dict, bool]]:
        """Yield every sample and whether its arrays are as written.

        Yields:
            The sample's line of the index, and True where all checksums
            agree.
        """
        for sample in self.load_index()[1]:
            arrays = sample.get('arrays', {})
            found = self.read(arrays)
            yield (
                sample,
                all(
                    zlib.crc32(found[name]) == crc
                    for name, (*_, crc) in arrays.items()
                ),
            )


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _to_line(value: dict) -> bytes:
    return json.dumps(value, separators=(',', ':')).encode() + b'\n'


def _take(file: BinaryIO) -> bool:
    """Lock a file; False where another process has or has renamed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (BlockingIOError, FileNotFoundError):
        return False


class PackWriter:
    """Writes a pack sample by sample, and goes on where it was interrupted.

    Arrays go to ``<path>.partial`` and, once they are there, the sample's
    line of the index to ``<path>.journal``. Another writer for the same
    header and samples checks what is there and continues behind it; the
    result is the same, byte for byte. `finish` makes the file appear.

    Args:
        path: The pack.
        header: First line of the index, JSON values.
        samples: ``info`` and ``stamp`` of each sample.

    Raises:
        PackError: If another process is writing this pack.

    Example:
        >>> samples = [dict(info=dict(gt_label=i)) for i in range(4)]
        >>> with PackWriter('four.pack', {}, samples) as writer:
        ...     for _ in samples[writer.num_done :]:
        ...         writer.add(dict(raw_points=np.ones((5, 3))))
        ...     writer.finish()
    """

    def __init__(
        self, path: str | os.PathLike, header: dict, samples: list[dict]
    ) -> None:
        self.path = os.fspath(path)
        self.journal_path = f'{self.path}.journal'
        self._header = header
        self._samples = samples
        self._lines: list[bytes] = []
        self._end = _ALIGNMENT
        plan = zlib.crc32(b''.join(map(_to_line, [header, *samples])))
        begin = _to_line(dict(version=VERSION, plan=plan))
        # Not 'w': what is there is looked at after the lock was taken.
        self._data = open(f'{self.path}.partial', 'a+b')  # noqa: SIM115
        if not _take(self._data):
            self._data.close()
            raise PackError(
                self.path, 'another process is writing it', 'wait for it'
            )
        self._journal = open(self.journal_path, 'a+b')  # noqa: SIM115
        self._resume(begin)

    @property
    def num_done(self) -> int:
        """Return the number of samples that are written."""
        return len(self._lines)

    @property
    def num_faults(self) -> int:
        """Return the number of samples written as unusable."""
        return sum('fault' in json.loads(line) for line in self._lines)

    def __enter__(self) -> PackWriter:
        """Return the writer."""
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Close the files; what is not finished can be continued."""
        for file in (self._data, self._journal):
            try:
                file.close()
            except OSError:
                # A full disk is reported once, by the write that failed.
                if kind is None:
                    raise

    def _resume(self, begin: bytes) -> None:
        """Keep the samples of an interrupted writer that are whole."""
        self._journal.seek(0)
        if self._journal.readline() == begin:
            for line in self._journal:
                if not line.endswith(b'\n') or not self._is_whole(line):
                    break
                self._lines.append(line)
        self._journal.truncate(0)
        self._journal.write(begin + b''.join(self._lines))
        self._journal.flush()
        self._data.truncate(self._end)

    def _is_whole(self, line: bytes) -> bool:
        """Return whether a sample's arrays are in the file, and count them."""
        end = self._end
        for dtype, shape, offset, crc in (
            json.loads(line).get('arrays', {}).values()
        ):
            size = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int))
            self._data.seek(offset)
            if zlib.crc32(self._data.read(size)) != crc:
                return False
            end = offset + size
        self._end = end
        return True

    def add(
        self,
        arrays: dict[str, np.ndarray] | None = None,
        fault: str | None = None,
    ) -> None:
        """Write the next sample.

        Args:
            arrays: Its arrays by name, of booleans or real numbers.
            fault: Why it cannot be used, where it has no arrays.

        Raises:
            TypeError: If an array is of another type.
            OSError: If it cannot be written, such as on a full disk.
        """
        sample = dict(self._samples[self.num_done])
        end = self._end
        if arrays is None:
            sample['fault'] = fault
        else:
            sample['arrays'] = {}
        for name, array in (arrays or {}).items():
            if array.dtype.kind not in _KINDS:
                raise TypeError(
                    f'{self.path}: expected an array of booleans or real '
                    f'numbers for {name}, got {array.dtype}; convert it '
                    'before it is packed'
                )
            kind = array.dtype.newbyteorder('<')
            content = np.ascontiguousarray(array, kind).tobytes()
            offset = _aligned(end)
            # The file only grows at its end: fill up to the next multiple.
            self._data.write(bytes(offset - end) + content)
            end = offset + len(content)
            sample['arrays'][name] = [
                kind.str,
                list(array.shape),
                offset,
                zlib.crc32(content),
            ]
        self._data.flush()
        line = _to_line(sample)
        self._journal.write(line)
        self._journal.flush()
        self._lines.append(line)
        self._end = end

    def finish(self) -> None:
        """Write index and header, and give the file its name.

        Raises:
            ValueError: If samples are missing.
        """
        if self.num_done != len(self._samples):
            raise ValueError(
                f'{self.path}: expected {len(self._samples)} samples, got '
                f'{self.num_done}; add the others before finishing'
            )
        index = _to_line(self._header) + b''.join(self._lines)
        start = _aligned(self._end)
        self._data.write(bytes(start - self._end) + index)
        self._data.flush()
        head = _Head(zlib.crc32(index), start, len(index))
        with open(self._data.name, 'r+b') as file:
            file.write(head.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._data.name, self.path)
        os.unlink(self.journal_path)
