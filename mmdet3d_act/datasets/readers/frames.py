"""Frames of RGB-D videos: ScanNet's exported folders and `.sens` files."""

from __future__ import annotations

import functools
import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.images import (
    IMAGE_SUFFIXES,
    read_depth_image,
    read_image,
    read_image_size,
)
from mmdet3d_act.datasets.readers.projection import Calibration, is_rigid

FRAME_LIST = 'frames.json'
FRAME_LIST_VERSION = 1
# At the end of the name of a folder that is being written.
UNFINISHED = '.part'
BAD_POSE = 'frames with an invalid pose'
INCOMPLETE = 'frames without depth or pose'

# A .sens file: uint32 version, uint64 length and characters of the sensor's
# name, this header, the frames, measurements of acceleration (not read).
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
_COLOR_SUFFIXES = {0: None, 1: '.png', 2: '.jpg'}
_RAW, _ZLIB, _OCCIPITAL = 0, 1, 2
_MAX_SIDE = 1 << 15


class FrameEntry(NamedTuple):
    """A frame of a scene: its number, and where the scene has it."""

    number: int
    place: str | int


class ExportedFrame:
    """A frame of an exported folder; its images are read when asked for.

    Args:
        scene: The scene.
        stem: Name of its files, without suffix.
    """

    def __init__(self, scene: ExportedScene, stem: str) -> None:
        self.name = os.path.join(scene.path, 'color', stem)
        self.calibration = scene.calibration
        self._color = self.name + scene.color_suffixes.get(stem, '.jpg')
        self._depth = os.path.join(scene.path, 'depth', f'{stem}.png')
        self._pose = os.path.join(scene.path, 'pose', f'{stem}.txt')

    def color(self) -> np.ndarray:
        """Read the colour image, (H, W, 3), uint8."""
        return read_image(self._color, self._color)

    def color_shape(self) -> tuple[int, int]:
        """Read height and width of the colour image."""
        return read_image_size(self._color, self._color)

    def color_file(self) -> tuple[bytes, str]:
        """Read the colour image as it is stored, and its suffix."""
        with open(self._color, 'rb') as file:
            return file.read(), os.path.splitext(self._color)[1]

    def depth(self) -> np.ndarray:
        """Read the depth image, (H, W), uint16."""
        return read_depth_image(self._depth, self._depth)

    def pose(self) -> np.ndarray:
        """Read the motion from the rig to the world, (4, 4), metres."""
        return read_matrix(self._pose)


class RecordedFrame:
    """A frame of a `.sens` file; it is read when it is asked for.

    Args:
        scene: The scene.
        offset: Byte at which the frame begins.
    """

    def __init__(self, scene: RecordedScene, offset: int) -> None:
        self.name = f'{scene.path}, frame at byte {offset}'
        self.calibration = scene.calibration
        self._scene = scene
        self._offset = offset

    @functools.cached_property
    def _record(self) -> tuple[np.ndarray, bytes, bytes]:
        """Pose, colour image and depth image, still compressed."""
        return self._scene.read_frame(self._offset)

    def color(self) -> np.ndarray:
        """Decode the colour image, (H, W, 3), uint8."""
        with reading(self.name, 'a colour image'):
            data, shape = self._record[1], self.color_shape()
            if self._scene.color_suffix is None:
                return np.frombuffer(data, np.uint8).reshape(*shape, 3).copy()
            image = read_image(data, self.name)
            if image.shape[:2] != shape:
                raise ValueError(
                    f'the header says {shape}, the image has {image.shape}'
                )
            return image

    def color_shape(self) -> tuple[int, int]:
        """Give height and width of the colour image."""
        return self._scene.color_shape

    def color_file(self) -> tuple[bytes, str | None]:
        """Give the colour image as it is stored; no suffix: raw pixels."""
        return self._record[1], self._scene.color_suffix

    def depth(self) -> np.ndarray:
        """Decode the depth image, (H, W), uint16."""
        with reading(self.name, 'a depth image'):
            data, shape = self._record[2], self._scene.depth_shape
            if self._scene.depth_compression == _OCCIPITAL:
                raise ValueError(
                    "it is in Occipital's compression, which only their "
                    'library reads; ScanNet publishes zlib_ushort'
                )
            if self._scene.depth_compression == _ZLIB:
                # A pixel more than there should be: never without end.
                limit = 2 * (shape[0] * shape[1] + 1)
                data = zlib.decompressobj().decompress(data, limit)
            return np.frombuffer(data, '<u2').reshape(shape).astype(np.uint16)

    def pose(self) -> np.ndarray:
        """Read the motion from the rig to the world, (4, 4), metres."""
        return self._record[0].astype(np.float64)


VideoFrame = ExportedFrame | RecordedFrame


class ExportedScene:
    """A folder ``color/ depth/ pose/ intrinsic/`` of ScanNet's exporter.

    Names of files are the numbers of the frames. Where the folder has
    ``frames.json``, which ``tools/dataset_converters/scannet_frames.py``
    writes, the frames are those that it lists.

    Args:
        path: The folder.

    Raises:
        BadSampleError: If the intrinsics are missing or wrong.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.calibration = _calibrate(self._read_camera)
        found = map(os.path.splitext, os.listdir(os.path.join(path, 'color')))
        self.color_suffixes = {
            stem: suffix
            for stem, suffix in found
            if stem.isdecimal() and suffix.lower() in IMAGE_SUFFIXES
        }

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Find the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

        Yields:
            The frames in the order of their numbers.

        Raises:
            BadSampleError: If the list of frames is damaged.
            ValueError: If other frames were converted.
        """
        listed = self._read_list(stride, skipped)
        depths = self._stems('depth', '.png')
        poses = self._stems('pose', '.txt')
        for stem in sorted(self.color_suffixes, key=int):
            number = int(stem)
            if number % stride or (
                listed is not None and number not in listed
            ):
                continue
            if stem not in depths or stem not in poses:
                skipped[INCOMPLETE] += 1
            elif listed is None and not self._has_pose(stem):
                skipped[BAD_POSE] += 1
            else:
                yield FrameEntry(number, stem)

    def frame(self, place: str) -> ExportedFrame:
        """Open the frame of an entry."""
        return ExportedFrame(self, place)

    def _read_camera(self, name: str) -> tuple[np.ndarray, str]:
        path = os.path.join(self.path, 'intrinsic', f'{name}.txt')
        if name.startswith('extrinsic') and not os.path.isfile(path):
            return np.eye(4), path
        return read_matrix(path), path

    def _has_pose(self, stem: str) -> bool:
        try:
            return is_rigid(self.frame(stem).pose())
        except BadSampleError:
            return False

    def _stems(self, folder: str, suffix: str) -> set[str]:
        path = os.path.join(self.path, folder)
        names = os.listdir(path) if os.path.isdir(path) else ()
        return {n[: -len(suffix)] for n in names if n.endswith(suffix)}

    def _read_list(self, stride: int, skipped: Counter) -> set[int] | None:
        path = os.path.join(self.path, FRAME_LIST)
        if not os.path.isfile(path):
            return None
        with reading(path, 'a list of frames by scannet_frames.py'):
            with open(path, encoding='utf-8') as file:
                content = json.load(file)
            counts = {str(k): int(v) for k, v in content['skipped'].items()}
            frames = {int(number) for number in content['frames']}
            written = int(content['frame_stride'])
            divides = stride % written == 0
        if not divides:
            raise ValueError(
                f'{path}: every {written}th frame was converted, so '
                f'frame_stride must be a multiple of it, got {stride}; set '
                'it so, or convert again'
            )
        skipped.update(counts)
        return frames


class RecordedScene:
    """A `.sens` file, of which single frames are read.

    Args:
        path: The file.

    Raises:
        BadSampleError: If it is missing or no such file.

    Example:
        >>> scene = RecordedScene('scene0000_00.sens')
        >>> entries = list(scene.entries(25, Counter()))
        >>> scene.frame(entries[1].place).depth().shape
        (480, 640)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with reading(path, f'a .sens file of version {_VERSION}'):
            self._size = os.path.getsize(path)
            with open(path, 'rb') as file:
                header = self._read_header(file)
                self._begin = file.tell()
        self.color_suffix = _COLOR_SUFFIXES[int(header['color_compression'])]
        self.depth_compression = int(header['depth_compression'])
        self.color_shape = tuple(header['color_size'].tolist()[::-1])
        self.depth_shape = tuple(header['depth_size'].tolist()[::-1])
        self.num_frames = int(header['num_frames'])
        self.calibration = _calibrate(
            lambda name: (header[name], f'{path}, {name}'),
            float(header['depth_shift']),
        )

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Find the frames whose number is a multiple of the stride.

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
                offset = file.tell()
                head = self._take_record(file, _FRAME, what)
                images = int(head['color_bytes']), int(head['depth_bytes'])
                file.seek(self._check_end(file.tell() + sum(images), what))
                if number % stride:
                    continue
                if not is_rigid(head['pose']):
                    skipped[BAD_POSE] += 1
                elif 0 in images:
                    skipped[INCOMPLETE] += 1
                else:
                    yield FrameEntry(number, offset)

    def frame(self, place: int) -> RecordedFrame:
        """Open the frame of an entry."""
        return RecordedFrame(self, place)

    def read_frame(self, offset: int) -> tuple[np.ndarray, bytes, bytes]:
        """Read pose (4, 4), colour and depth image, still compressed."""
        what = f'frame at byte {offset}'
        with open(self.path, 'rb') as file:
            file.seek(offset)
            head = self._take_record(file, _FRAME, what)
            color = self._take(file, int(head['color_bytes']), what)
            depth = self._take(file, int(head['depth_bytes']), what)
        return head['pose'], color, depth

    def _read_header(self, file: BinaryIO) -> np.void:
        version, length = struct.unpack('<IQ', self._take(file, 12, 'header'))
        if version != _VERSION:
            raise ValueError(f'got version {version}')
        self._take(file, length, 'header')
        header = self._take_record(file, _HEADER, 'header')
        sides = [*header['color_size'], *header['depth_size']]
        if (
            header['color_compression'] not in _COLOR_SUFFIXES
            or header['depth_compression'] not in (_RAW, _ZLIB, _OCCIPITAL)
            or not 0 < min(sides) <= max(sides) <= _MAX_SIDE
            or not 0 < header['depth_shift'] < np.inf
        ):
            values = {n: header[n].tolist() for n in _HEADER.names[4:]}
            raise ValueError(f'corrupt header: {values}')
        return header

    def _take_record(
        self, file: BinaryIO, kind: np.dtype, what: str
    ) -> np.void:
        return np.frombuffer(self._take(file, kind.itemsize, what), kind)[0]

    def _take(self, file: BinaryIO, count: int, what: str) -> bytes:
        self._check_end(file.tell() + count, what)
        return file.read(count)

    def _check_end(self, end: int, what: str) -> int:
        if end > self._size:
            raise BadSampleError(
                self.path,
                f'truncated or corrupt: its {what} needs the bytes up to '
                f'{end}, the file has {self._size}; copy or download it again',
            )
        return end


FrameScene = ExportedScene | RecordedScene


@functools.lru_cache(maxsize=4096)
def open_scene(path: str) -> FrameScene:
    """Open a folder or a `.sens` file; those opened last are kept."""
    return (
        RecordedScene(path) if path.endswith('.sens') else ExportedScene(path)
    )


def find_scene(root: str, name: str) -> str | None:
    """Find the exported folder or the `.sens` file of a scene, or None."""
    folder = os.path.join(root, name)
    if os.path.isdir(os.path.join(folder, 'color')):
        return folder
    for path in (os.path.join(folder, f'{name}.sens'), f'{folder}.sens'):
        if os.path.isfile(path):
            return path
    return None


def list_scenes(root: str) -> list[str]:
    """List the names of all scenes in a folder, sorted."""
    names = {
        name.removesuffix('.sens')
        for name in os.listdir(root)
        if not name.endswith(UNFINISHED)
    }
    return sorted(name for name in names if find_scene(root, name))


def read_matrix(path: str) -> np.ndarray:
    """Read the numbers (4, 4) of a text file; they may be infinite."""
    with reading(path, '4 rows of 4 numbers'), open(path) as file:
        return np.array(file.read().split(), float).reshape(4, 4)


def _calibrate(
    read: Callable[[str], tuple[np.ndarray, str]], depth_scale: float = 1000.0
) -> Calibration:
    """Collect the matrices of both cameras, and refuse what cannot be one.

    Args:
        read: Takes a name such as 'intrinsic_color', gives the matrix (4, 4)
            and where it is from.
        depth_scale: Numbers of the depth image in a metre.
    """
    matrices = {}
    for camera in ('color', 'depth'):
        for kind in ('intrinsic', 'extrinsic'):
            matrix, source = read(f'{kind}_{camera}')
            wanted = 'a rotation and a translation'
            sound = is_rigid(matrix)
            if kind == 'intrinsic':
                wanted = 'focal lengths > 0 and finite numbers'
                sound = np.isfinite(matrix).all() and matrix[0, 0] > 0
                sound = sound and matrix[1, 1] > 0
            if not sound:
                raise BadSampleError(
                    source,
                    f'expected {wanted}, got {matrix.round(3).tolist()}',
                )
            matrices[f'{camera}_{kind}'] = matrix.astype(np.float64)
    return Calibration(**matrices, depth_scale=depth_scale)
