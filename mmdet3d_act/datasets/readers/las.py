"""Laser scans: LAS and LAZ by laspy, E57 by pye57."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mmdet3d_act.datasets.readers.arrays import Columns
from mmdet3d_act.datasets.readers.errors import (
    BoundedReader,
    check_expansion,
)

if TYPE_CHECKING:
    from laspy import LasHeader

# After the coordinates; all are numbers of the sensor, as they are.
_E57_FIELDS = (
    *(f'cartesian{axis}' for axis in 'XYZ'),
    'intensity',
    *(f'color{color}' for color in ('Red', 'Green', 'Blue')),
)


def read_las(path: str, header_only: bool = False) -> Columns:
    """Read a ``.las`` or ``.laz`` file, (N, 5 or 8), float64.

    The columns are x, y, z, classification, intensity and, where there are
    colours, red, green and blue, from 0 to 65535.
    """
    import laspy

    try:
        with BoundedReader(path) as file:
            _check_records(file)
            _check_size(laspy.LasHeader.read_from(file), file)
            file.seek(0)
            with laspy.open(file, closefd=False) as reader:
                if header_only:
                    return Columns(np.empty((0, 3)))
                scan = reader.read()
    except BaseException as error:
        # A panic of lazrs is no Exception.
        if type(error).__name__ != 'PanicException':
            raise
        raise ValueError(f'it cannot be decompressed: {error}') from error
    names = ['classification', 'intensity']
    known = set(scan.point_format.dimension_names)
    names += [name for name in ('red', 'green', 'blue') if name in known]
    columns = [scan.xyz, *(np.asarray(scan[name])[:, None] for name in names)]
    return Columns(np.concatenate(columns, axis=1), tuple(names))


def _check_records(file: BinaryIO) -> None:
    """Refuse more records than the file can hold; laspy would list them all.

    Each has a header of 54 bytes, those after the points (LAS 1.4) of 60.
    """
    head, size = file.read(247), file.seek(0, os.SEEK_END)
    file.seek(0)
    count = int.from_bytes(head[100:104], 'little')
    if head[25:26] >= b'\x04':
        count += int.from_bytes(head[243:247], 'little')
    if 54 * count > size:
        raise ValueError(f'it promises {count} records and has {size} bytes')


def _check_size(header: LasHeader, file: BinaryIO) -> None:
    """Refuse points and chunks for which lazrs would fill the memory."""
    import lazrs

    size = file.seek(0, os.SEEK_END)
    check_expansion(header.point_count * header.point_format.size, size)
    if header.are_points_compressed:
        # Where the table of chunks is; -1: where the last 8 bytes say.
        file.seek(header.offset_to_point_data)
        if (at := int.from_bytes(file.read(8), 'little', signed=True)) == -1:
            file.seek(-8, os.SEEK_END)
            at = int.from_bytes(file.read(8), 'little')
        file.seek(at + 4)
        check_expansion(16 * int.from_bytes(file.read(4), 'little'), size)
        file.seek(header.offset_to_point_data)
        vlr = header.vlrs.get('LasZipVlr')[0]
        table = lazrs.read_chunk_table(file, lazrs.LazVlr(vlr.record_data))
        # Points and bytes of all chunks.
        for counts in zip(*table, strict=True):
            check_expansion(sum(counts), size)


def read_e57(path: str) -> Columns:
    """Read all scans of an ``.e57`` file in its coordinates, float64.

    The columns are x, y, z and, where every scan has them, intensity and the
    colours.
    """
    import pye57

    with pye57.E57(path) as file:
        scans = [
            file.read_scan(
                index, intensity=True, colors=True, ignore_missing_fields=True
            )
            for index in range(file.scan_count)
        ]
    names = [name for name in _E57_FIELDS if all(name in s for s in scans)]
    rows = [np.stack([scan[name] for name in names], axis=1) for scan in scans]
    return Columns(np.concatenate(rows).astype(np.float64), tuple(names[3:]))
