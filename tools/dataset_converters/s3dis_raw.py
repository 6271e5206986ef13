"""Reading rooms of S3DIS from Stanford's folders, and mending bad rows.

The aligned release (``Stanford3dDataset_v1.2_Aligned_Version``) has for every
room a folder ``Area_1/office_1/Annotations`` with one text file per object,
``chair_1.txt``, of rows "x y z red green blue". In some rows a character lost
one of its bits: a blank (0x20) became 0x00, a "6" (0x36) became 0x16, for
example in row 180389 of ``Area_5/hallway_6/Annotations/ceiling_1.txt``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.datasets.s3dis import CLASSES

RAW_FOLDER = 'Stanford3dDataset_v1.2_Aligned_Version'
_COPY = re.compile(r'(.+?) ?\(\d+\)\.txt')
_CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\xff]')
# The bit that lower-case letters, digits and the blank have.
_LOST_BIT = 0x20
_LAYOUT = 'Area_<1-6>/<room>/Annotations/<class>_<number>.txt'


class RawRoom(NamedTuple):
    """A room: its name, such as ``Area_1_office_1``, and its folder."""

    name: str
    folder: Path


def list_raw_rooms(root: str | os.PathLike) -> list[RawRoom]:
    """List the rooms in Stanford's folders, by area and name.

    Args:
        root: ``Stanford3dDataset_v1.2_Aligned_Version`` or the folder around
            it.

    Raises:
        FileNotFoundError: If there is no room, or one has no annotations.
    """
    root = Path(root)
    if (root / RAW_FOLDER).is_dir():
        root = root / RAW_FOLDER
    rooms = [
        RawRoom(f'{path.parent.name}_{path.name}', path)
        for path in sorted(root.glob('Area_[1-6]/[!.]*'))
        if path.is_dir()
    ]
    if not rooms:
        raise FileNotFoundError(
            f'found no room in {root}; expected {RAW_FOLDER} with {_LAYOUT}'
        )
    for room in rooms:
        if not (room.folder / 'Annotations').is_dir():
            raise FileNotFoundError(
                f'{room.folder} has no folder Annotations; expected {_LAYOUT}'
            )
    return rooms


def read_raw_room(room: RawRoom) -> tuple[np.ndarray, dict]:
    """Read a room as the published code prepares it.

    Its objects follow each other by the names of their files. Each takes its
    class from its file's name, as 'clutter' where it is none of the 13
    ('stairs').

    Returns:
        Rows (N, 7), float64: x, y, z in metres from the smallest one, red,
        green, blue from 0 to 255, label. And the ``repairs`` of rows, with
        ``file``, ``line``, ``before`` and ``after``, and the files left out
        as ``copies`` of another one.

    Raises:
        BadSampleError: If a row cannot be mended, or there are no points.
    """
    parts, repairs, copies = [], [], []
    folder = room.folder / 'Annotations'
    for path in sorted(folder.glob('[!.]*.txt')):
        name = path.relative_to(room.folder).as_posix()
        if _is_copy(path):
            copies.append(name)
            continue
        kind = path.name.partition('_')[0]
        kind = kind if kind in CLASSES else 'clutter'
        table, mended = read_object(path)
        repairs += [dict(file=name, **repair) for repair in mended]
        label = np.full((len(table), 1), CLASSES.index(kind), np.float64)
        parts.append(np.concatenate([table, label], axis=1))
    rows = np.concatenate(parts) if parts else np.empty((0, 7))
    if len(rows) == 0:
        raise BadSampleError(
            folder, f'empty: it has no points; expected {_LAYOUT}'
        )
    rows[:, :3] -= rows[:, :3].min(0)
    return rows, dict(repairs=repairs, copies=copies)


def convert_room(
    room: RawRoom, out: str | os.PathLike, *, dtype: str = 'float32'
) -> dict:
    """Write ``<out>/<name>.npy``, whole or not at all.

    Args:
        room: The room.
        out: A folder that exists.
        dtype: 'float32', or 'float64' as the published files have it.

    Returns:
        ``dtype``, ``num_points``, ``label_counts`` by class, and ``repairs``
        and ``copies`` of `read_raw_room`.

    Raises:
        BadSampleError: If a row cannot be mended, or there are no points.
    """
    rows, report = read_raw_room(room)
    path = Path(out) / f'{room.name}.npy'
    partial = path.with_suffix('.partial')
    with open(partial, 'wb') as file:
        np.save(file, rows.astype(dtype))
    partial.replace(path)
    counts = np.bincount(rows[:, 6].astype(int), minlength=len(CLASSES))
    return dict(
        dtype=dtype,
        num_points=len(rows),
        label_counts=dict(zip(CLASSES, counts.tolist(), strict=True)),
        **report,
    )


def read_object(
    path: str | os.PathLike,
) -> tuple[np.ndarray, list[dict]]:
    """Read an object's points, and the rows that were mended.

    Characters that are not printable get the bit 0x20 back.

    Returns:
        (N, 6), float64, N may be 0, and one entry per mended row.

    Raises:
        BadSampleError: If something is no such row.
    """
    with reading(str(path), 'rows "x y z red green blue"'):
        # Only a line feed ends a row: a damaged character may be any other.
        text = Path(path).read_bytes().decode('latin-1').replace('\r\n', '\n')
        rows, repairs = text.split('\n'), []
        for at, row in enumerate(rows if _CONTROL.search(text) else ()):
            after = _CONTROL.sub(_restore, row)
            if after != row:
                before = row.encode('unicode_escape').decode()
                repairs.append(dict(line=at + 1, before=before, after=after))
                rows[at] = after
        if not text.strip():
            return np.empty((0, 6)), repairs
        table = np.loadtxt(rows, comments=None, ndmin=2)
        colors = table[:, 3:]
        good = np.isfinite(table).all(1) & (
            (colors >= 0) & (colors <= 255)
        ).all(1)
        if table.shape[1] != 6 or not good.all():
            wrong = table[~good][:1] if table.shape[1] == 6 else table[:1]
            raise ValueError(
                f'expected finite numbers and colours from 0 to 255, got '
                f'{wrong.tolist()}; correct the row'
            )
    return table, repairs


def _restore(match: re.Match) -> str:
    return chr((ord(match[0]) | _LOST_BIT) & 0x7F)


def _is_copy(path: Path) -> bool:
    """Tell whether a file such as 'wall_3 (1).txt' repeats 'wall_3.txt'."""
    match = _COPY.fullmatch(path.name)
    original = path.with_name(f'{match[1]}.txt') if match else path
    if original == path or not original.is_file():
        return False
    return original.read_bytes() == path.read_bytes()
