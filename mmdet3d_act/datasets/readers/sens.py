"""ScanNet's `.sens` files: RGB-D videos with poses.

Little-endian; what stands in them, in this order:

- uint32 version, 4; uint64 length and characters of the sensor's name;
- float32 4 x 4, row by row: intrinsics and extrinsics of the colour camera,
  then of the depth camera;
- int32 compression of the colour images, int32 of the depth images;
- uint32 width and height of the colour images, then of the depth images;
- float32 depth shift, numbers in a metre; uint64 number of frames;
- each frame: float32 4 x 4 pose (camera to world), uint64 times of colour and
  depth (microseconds), uint64 bytes of colour and depth, the two images;
- measurements of acceleration and rotation, which are not read.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import (
    BadSampleError,
    describe_content,
    reading,
)
from mmdet3d_act.datasets.readers.images import (
    read_image,
    read_image_size,
)

VERSION = 4
COLOR_COMPRESSIONS = {0: 'raw', 1: 'png', 2: 'jpeg'}
DEPTH_COMPRESSIONS = {0: 'raw_ushort', 1: 'zlib_ushort', 2: 'occi_ushort'}
_SIZES = struct.Struct('<ii4IfQ')
_FRAME = struct.Struct('<64s4Q')
_MAX_NAME = 1 << 16
_MAX_SIDE = 1 << 15


class SensHeader(NamedTuple):
    """What a `.sens` file says before its frames.

    Attributes:
        sensor_name: Name of the sensor.
        intrinsic_color: (4, 4), float32, pixels; `intrinsic_depth` likewise.
        extrinsic_color: (4, 4), float32, metres; `extrinsic_depth` likewise.
        color_compression: 'raw', 'png' or 'jpeg'.
        depth_compression: 'raw_ushort', 'zlib_ushort' or 'occi_ushort'.
        color_shape: Height and width of colour images, pixels.
        depth_shape: Height and width of depth images, pixels.
        depth_shift: Numbers of the depth images in a metre.
        num_frames: Number of frames.
    """

    sensor_name: str
    intrinsic_color: np.ndarray
    extrinsic_color: np.ndarray
    intrinsic_depth: np.ndarray
    extrinsic_depth: np.ndarray
    color_compression: str
    depth_compression: str
    color_shape: tuple[int, int]
    depth_shape: tuple[int, int]
    depth_shift: float
    num_frames: int


class SensPlace(NamedTuple):
    """A frame without its images: `offset` is the byte it begins at."""

    offset: int
    pose: np.ndarray
    color_time: int
    depth_time: int
    color_bytes: int
    depth_bytes: int


class SensFrame(NamedTuple):
    """A frame: pose (4, 4), float32; images as they are compressed."""

    pose: np.ndarray
    color_time: int
    depth_time: int
    color: bytes
    depth: bytes


class SensFile:
    """A `.sens` file, of which single frames are read.

    Args:
        path: The file.

    Raises:
        BadSampleError: If it is missing or no such file.

    Example:
        >>> file = SensFile('scene0000_00.sens')
        >>> places = list(file.iter_places())
        >>> frame = file.read_frame(places[25].offset)
        >>> decode_depth(frame.depth, file.header, 'frame 25').shape
        (480, 640)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with reading(path, f'a .sens file of version {VERSION}'):
            self.size = os.path.getsize(path)
            with open(path, 'rb') as file:
                self.header = self._read_header(file)
                self._begin = file.tell()

    def _read_header(self, file: BinaryIO) -> SensHeader:
        head = file.read(1024)
        file.seek(0)
        version, length = struct.unpack('<IQ', self._take(file, 12, 'header'))
        if version != VERSION or length > _MAX_NAME:
            raise ValueError(
                f'got version {version}, or what looks like '
                f'{describe_content(head)}; get it again from ScanNet'
            )
        name = self._take(file, length, 'header').decode('utf-8', 'replace')
        matrices = [_matrix(self._take(file, 64, 'header')) for _ in range(4)]
        color, depth, *sides, shift, count = _SIZES.unpack(
            self._take(file, _SIZES.size, 'header')
        )
        if not all(0 < side <= _MAX_SIDE for side in sides):
            raise ValueError(f'corrupt header: images of {sides} pixels')
        if not 0 < shift < float('inf'):
            raise ValueError(f'corrupt header: a depth shift of {shift}')
        if color not in COLOR_COMPRESSIONS or depth not in DEPTH_COMPRESSIONS:
            raise ValueError(
                f'corrupt header: compressions {color} and {depth}'
            )
        return SensHeader(
            name,
            *matrices,
            COLOR_COMPRESSIONS[color],
            DEPTH_COMPRESSIONS[depth],
            (sides[1], sides[0]),
            (sides[3], sides[2]),
            shift,
            count,
        )

    def _take(self, file: BinaryIO, count: int, what: str) -> bytes:
        end = file.tell() + count
        if end > self.size:
            raise BadSampleError(
                self.path,
                f'truncated or corrupt: its {what} needs the bytes up to '
                f'{end}, the file has {self.size}; copy or download it again',
            )
        return file.read(count)

    def iter_places(self) -> Iterator[SensPlace]:
        """Find where each frame is; images are not read.

        Yields:
            The frames in their order.

        Raises:
            BadSampleError: If the file is truncated or the sizes of a frame
                cannot be right, after the frames before.
        """
        total = self.header.num_frames
        with open(self.path, 'rb') as file:
            file.seek(self._begin)
            for number in range(total):
                what = f'frame {number} of {total}'
                place = self._read_place(file, what)
                end = file.tell() + place.color_bytes + place.depth_bytes
                if end > self.size:
                    raise BadSampleError(
                        self.path,
                        f'truncated or corrupt: the images of its {what} '
                        f'end at byte {end}, the file has {self.size}; copy '
                        'or download it again',
                    )
                file.seek(end)
                yield place

    def _read_place(self, file: BinaryIO, what: str) -> SensPlace:
        offset = file.tell()
        pose, *rest = _FRAME.unpack(self._take(file, _FRAME.size, what))
        return SensPlace(offset, _matrix(pose), *rest)

    def read_frame(self, offset: int) -> SensFrame:
        """Read the frame that begins at a byte.

        Args:
            offset: As :meth:`iter_places` gives it.

        Returns:
            The frame.

        Raises:
            BadSampleError: If the file ends before the frame does.
        """
        what = f'frame at byte {offset}'
        with open(self.path, 'rb') as file:
            file.seek(offset)
            place = self._read_place(file, what)
            return SensFrame(
                place.pose,
                place.color_time,
                place.depth_time,
                self._take(file, place.color_bytes, what),
                self._take(file, place.depth_bytes, what),
            )


def decode_color(data: bytes, header: SensHeader, name: str) -> np.ndarray:
    """Decode a colour image.

    Args:
        data: As the file has it.
        header: Of the file.
        name: Frame, for messages.

    Returns:
        (H, W, 3), uint8, red, green, blue.

    Raises:
        BadSampleError: If it is damaged or of another size than the header
            says.
    """
    shape = (*header.color_shape, 3)
    if header.color_compression == 'raw':
        return _from_bytes(data, np.dtype(np.uint8), shape, name)
    image = read_image(data, name)
    _check_size(image.shape[:2], header, name)
    return image


def decode_color_size(
    data: bytes, header: SensHeader, name: str
) -> tuple[int, int]:
    """Read height and width of a colour image, not decoding it.

    Args:
        data: As the file has it.
        header: Of the file.
        name: Frame, for messages.

    Returns:
        Height and width, pixels.

    Raises:
        BadSampleError: If it is no image, or not as large as the header says.
    """
    if header.color_compression != 'raw':
        _check_size(read_image_size(data, name), header, name)
    return header.color_shape


def decode_depth(data: bytes, header: SensHeader, name: str) -> np.ndarray:
    """Decode a depth image.

    Args:
        data: As the file has it.
        header: Of the file.
        name: Frame, for messages.

    Returns:
        (H, W), uint16.

    Raises:
        BadSampleError: If it is damaged, of another size than the header
            says, or in Occipital's compression.
    """
    if header.depth_compression == 'occi_ushort':
        raise BadSampleError(
            name,
            'its depth is in the compression of Occipital, which only their '
            'library reads; ScanNet publishes zlib_ushort',
        )
    dtype = np.dtype('<u2')
    if header.depth_compression == 'zlib_ushort':
        size = header.depth_shape[0] * header.depth_shape[1] * dtype.itemsize
        with reading(name, 'a whole depth image'):
            stream = zlib.decompressobj()
            # Never many more bytes than there should be.
            data = stream.decompress(data, size + 1)
            if not stream.eof and len(data) <= size:
                raise ValueError('it is truncated')
    return _from_bytes(data, dtype, header.depth_shape, name)


def _from_bytes(
    data: bytes, dtype: np.dtype, shape: tuple[int, ...], name: str
) -> np.ndarray:
    expected = int(np.prod(shape)) * dtype.itemsize
    if len(data) != expected:
        raise BadSampleError(
            name,
            f'truncated or corrupt: expected {expected} bytes for an image '
            f'of {shape}, got {len(data)}'
            f'{" or more" if len(data) > expected else ""}',
        )
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder('='))


def _check_size(size: tuple[int, int], header: SensHeader, name: str) -> None:
    if tuple(size) != header.color_shape:
        raise BadSampleError(
            name,
            f'expected a colour image of {header.color_shape} pixels '
            f'(height, width), as the header says, got {tuple(size)}',
        )


def _matrix(data: bytes) -> np.ndarray:
    return np.frombuffer(data, '<f4').reshape(4, 4).astype(np.float32)
