"""ScanNet's ``.sens`` videos, and writing their frames as its exporter does.

A ``.sens`` file: uint32 version, uint64 length and characters of the sensor's
name, a header, the frames, measurements of acceleration (not read).
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.frames import (
    BAD_POSE,
    FRAME_LIST,
    INCOMPLETE,
    UNFINISHED,
    check_calibration,
)
from mmdet3d_act.datasets.readers.images import read_image
from mmdet3d_act.datasets.readers.projection import Calibration, is_rigid
from mmdet3d_act.io import write_json

DAMAGED = 'damaged frames'
EMPTY = 'frames with next to no depth'
# A folder with colours is a scene: they come last, and go first.
_FOLDERS = ('depth', 'pose', 'intrinsic', 'color')
_LIST_VERSION = 1
_MILLIMETRES = 1000.0

_VERSION = 4
_HEADER = np.dtype(
    [
        ('intrinsic_color', '<f4', (4, 4)),
        ('extrinsic_color', '<f4', (4, 4)),
        ('intrinsic_depth', '<f4', (4, 4)),
        ('extrinsic_depth', '<f4', (4, 4)),
        ('color_compression', '<i4'),
        ('depth_compression', '<i4'),
        ('color_size', '<u4', (2,)),  # width and height
        ('depth_size', '<u4', (2,)),
        ('depth_shift', '<f4'),  # numbers of the depth image in a metre
        ('num_frames', '<u8'),
    ]
)
# What comes before the two images of a frame; times are microseconds.
_FRAME = np.dtype(
    [
        ('pose', '<f4', (4, 4)),
        ('color_time', '<u8'),
        ('depth_time', '<u8'),
        ('color_bytes', '<u8'),
        ('depth_bytes', '<u8'),
    ]
)
# Of the compressions that there are, those of ScanNet: PNG and JPEG, zlib.
_COLOR_SUFFIXES = {1: '.png', 2: '.jpg'}
_DEPTH_COMPRESSION = 1
_MAX_SIDE = 1 << 15


def find_videos(root: str) -> dict[str, str]:
    """Find ``<scene>.sens`` and ``<scene>/<scene>.sens`` by their scenes."""
    paths = [*Path(root).glob('*.sens'), *Path(root).glob('*/*.sens')]
    return {path.stem: str(path) for path in sorted(paths)}


class SensFrame(NamedTuple):
    """A frame of a video: pose (4, 4), and both images as they are stored."""

    number: int
    pose: np.ndarray
    color: bytes
    depth: bytes


class SensFile:
    """A `.sens` file, which is read frame after frame.

    Raises:
        BadSampleError: If it is missing or no such file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with reading(path, f'a .sens file of version {_VERSION}'):
            self._size = os.path.getsize(path)
            with open(path, 'rb') as file:
                header = self._read_header(file)
                self._begin = file.tell()
        self.color_suffix = _COLOR_SUFFIXES[int(header['color_compression'])]
        self.color_shape = tuple(header['color_size'].tolist()[::-1])
        self.depth_shape = tuple(header['depth_size'].tolist()[::-1])
        self.num_frames = int(header['num_frames'])
        self.calibration = check_calibration(
            lambda name: (header[name], f'{path}, {name}'),
            float(header['depth_shift']),
        )

    def frames(self, stride: int, skipped: Counter) -> Iterator[SensFrame]:
        """Read the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

        Yields:
            The frames in their order; of a truncated file those before the
            fault, which is then raised.
        """
        with open(self.path, 'rb') as file:
            file.seek(self._begin)
            for number in range(self.num_frames):
                what = f'frame {number} of {self.num_frames}'
                head = self._take_record(file, _FRAME, what)
                sizes = int(head['color_bytes']), int(head['depth_bytes'])
                self._check_end(file.tell() + sum(sizes), what)
                if number % stride:
                    file.seek(sum(sizes), os.SEEK_CUR)
                    continue
                color, depth = map(file.read, sizes)
                if not is_rigid(head['pose']):
                    skipped[BAD_POSE] += 1
                elif 0 in sizes:
                    skipped[INCOMPLETE] += 1
                else:
                    yield SensFrame(number, head['pose'], color, depth)

    def decode_color(self, frame: SensFrame) -> np.ndarray:
        """Decode a colour image, (H, W, 3), uint8."""
        with reading(self._name(frame), 'a colour image'):
            image = read_image(frame.color, self._name(frame))
            if image.shape[:2] != self.color_shape:
                raise ValueError(
                    f'the header says {self.color_shape}, the image has '
                    f'{image.shape}'
                )
            return image

    def decode_depth(self, frame: SensFrame) -> np.ndarray:
        """Decode a depth image, (H, W), uint16."""
        with reading(self._name(frame), 'a depth image'):
            shape = self.depth_shape
            # A pixel more than there should be: never without end.
            limit = 2 * (shape[0] * shape[1] + 1)
            data = zlib.decompressobj().decompress(frame.depth, limit)
            return np.frombuffer(data, '<u2').reshape(shape).astype(np.uint16)

    def _name(self, frame: SensFrame) -> str:
        return f'{self.path}, frame {frame.number}'

    def _read_header(self, file: BinaryIO) -> np.void:
        version, length = struct.unpack('<IQ', self._take(file, 12, 'header'))
        if version != _VERSION:
            raise ValueError(f'got version {version}')
        self._take(file, length, 'header')
        header = self._take_record(file, _HEADER, 'header')
        sides = [*header['color_size'], *header['depth_size']]
        if (
            header['color_compression'] not in _COLOR_SUFFIXES
            or header['depth_compression'] != _DEPTH_COMPRESSION
            or not 0 < min(sides) <= max(sides) <= _MAX_SIDE
            or not 0 < header['depth_shift'] < np.inf
        ):
            values = {n: header[n].tolist() for n in _HEADER.names[4:]}
            raise ValueError(f'corrupt header, or not as ScanNet: {values}')
        return header

    def _take_record(
        self, file: BinaryIO, kind: np.dtype, what: str
    ) -> np.void:
        return np.frombuffer(self._take(file, kind.itemsize, what), kind)[0]

    def _take(self, file: BinaryIO, count: int, what: str) -> bytes:
        self._check_end(file.tell() + count, what)
        return file.read(count)

    def _check_end(self, end: int, what: str) -> None:
        if end > self._size:
            raise BadSampleError(
                self.path,
                f'truncated or corrupt: its {what} needs the bytes up to '
                f'{end}, the file has {self._size}; copy or download it again',
            )


class FrameExport(NamedTuple):
    """A video whose frames are to be written.

    Attributes:
        source: A `.sens` file.
        folder: Where the scene is written to.
        frame_stride: Frames are written whose number is a multiple of it.
        min_points: Frames with fewer measured depths are left out.
    """

    source: str
    folder: str
    frame_stride: int
    min_points: int

    def is_done(self) -> bool:
        """Tell whether the scene was written with these options."""
        folders = [Path(self.folder, name) for name in _FOLDERS]
        try:
            report = self.report()
        except (OSError, ValueError):
            return False
        whole = all(folder.is_dir() for folder in folders)
        return whole and self._options().items() <= report.items()

    def export(self) -> None:
        """Write the scene, beside its place until it is complete.

        Frames that cannot be used are left out and counted; of a truncated
        file those before the fault are written. An interrupted call leaves
        ``<folder>.part``.

        Raises:
            BadSampleError: If the video cannot be read at all.
            FileExistsError: If frames of somebody else are in its place.
        """
        place = Path(self.folder)
        there = any((place / name).exists() for name in _FOLDERS)
        if there and not (place / FRAME_LIST).is_file():
            raise FileExistsError(
                f'{self.folder} has frames and no {FRAME_LIST}, so they were '
                'not converted by this tool and are not replaced; remove '
                'them, or choose another folder'
            )
        video = SensFile(self.source)
        part = Path(f'{self.folder}{UNFINISHED}')
        shutil.rmtree(part, ignore_errors=True)
        for name in _FOLDERS:
            (part / name).mkdir(parents=True)
        _write_calibration(part / 'intrinsic', video.calibration)
        write_json(part / FRAME_LIST, self._write_frames(video, part))
        place.mkdir(exist_ok=True)
        for name in reversed(_FOLDERS):
            shutil.rmtree(place / name, ignore_errors=True)
        # The list says whose the folders are.
        for name in (FRAME_LIST, *_FOLDERS):
            (part / name).replace(place / name)
        part.rmdir()

    def report(self) -> dict:
        """Read what was written: frames, skipped, faults."""
        text = Path(self.folder, FRAME_LIST).read_text(encoding='utf-8')
        return json.loads(text)

    def _options(self) -> dict:
        return dict(
            version=_LIST_VERSION,
            source=os.path.basename(self.source),
            source_bytes=os.path.getsize(self.source),
            frame_stride=self.frame_stride,
            min_points=self.min_points,
        )

    def _write_frames(self, video: SensFile, folder: Path) -> dict:
        """Write the frames; give the list of them."""
        numbers: list[int] = []
        skipped: Counter = Counter()
        faults: list[str] = []
        try:
            for frame in video.frames(self.frame_stride, skipped):
                try:
                    written = _write_frame(
                        video, frame, folder, self.min_points
                    )
                except BadSampleError as error:
                    skipped[DAMAGED] += 1
                    faults.append(str(error))
                    continue
                numbers += [frame.number] if written else []
                skipped[EMPTY] += not written
        except BadSampleError as error:
            faults.append(str(error))
        return dict(
            **self._options(),
            frames=numbers,
            skipped=dict(+skipped),
            faults=faults,
        )


def _write_calibration(folder: Path, calibration: Calibration) -> None:
    for camera in ('color', 'depth'):
        for kind in ('intrinsic', 'extrinsic'):
            matrix = getattr(calibration, f'{camera}_{kind}')
            _write_matrix(folder / f'{kind}_{camera}.txt', matrix)


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    # Nine digits give every float32 back.
    np.savetxt(path, matrix, '%.9g')


def _write_frame(
    video: SensFile, frame: SensFrame, folder: Path, min_points: int
) -> bool:
    """Write a frame, if it has enough depth; tell whether it has."""
    # Both images are decoded before anything is written.
    depth, _ = video.decode_depth(frame), video.decode_color(frame)
    if np.count_nonzero(depth) < min_points:
        return False
    color = folder / 'color' / f'{frame.number}{video.color_suffix}'
    color.write_bytes(frame.color)
    scale = video.calibration.depth_scale
    if scale != _MILLIMETRES:
        depth = np.rint(depth * (_MILLIMETRES / scale))
        # What is farther than 65 m is nothing that was measured.
        depth = np.where(depth > 65535, 0, depth).astype(np.uint16)
    path = folder / 'depth' / f'{frame.number}.png'
    Image.fromarray(depth).save(path)
    _write_matrix(folder / 'pose' / f'{frame.number}.txt', frame.pose)
    return True
