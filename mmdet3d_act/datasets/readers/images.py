"""Reading pictures: colour images and depth images of 16 bits."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from mmdet3d_act.datasets.readers.errors import (
    BadSampleError,
    describe_content,
)

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')
WHITE = (255, 255, 255)
# Pillow's names of grey images that hold 16 bits.
_DEEP_MODES = ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I')
_FAULTS = (
    EOFError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
)
Result = TypeVar('Result')


def read_image(
    source: str | bytes, name: str, background: tuple[int, ...] = WHITE
) -> np.ndarray:
    """Return a colour image; transparent parts show the background.

    Args:
        source: The file, or what is in it.
        name: Name of the image for messages.
        background: Red, green and blue, 0 to 255.

    Returns:
        (H, W, 3), uint8, red, green, blue.

    Raises:
        BadSampleError: If it is missing, truncated or no image.
    """

    def decode(image: Image.Image) -> np.ndarray:
        if 'A' in image.getbands() or 'transparency' in image.info:
            image = image.convert('RGBA')
            canvas = Image.new('RGBA', image.size, (*background, 255))
            image = Image.alpha_composite(canvas, image)
        return np.array(image.convert('RGB'))

    return _open(source, name, decode)


def read_image_size(source: str | bytes, name: str) -> tuple[int, int]:
    """Return height and width of an image, from its header alone.

    Args:
        source: The file, or what is in it.
        name: Name of the image for messages.

    Returns:
        Height and width in pixels.

    Raises:
        BadSampleError: If it is missing or no image.
    """
    width, height = _open(source, name, lambda image: image.size)
    return height, width


def read_depth_image(source: str | bytes, name: str) -> np.ndarray:
    """Return the numbers of a grey image of 16 bits.

    Args:
        source: The file, or what is in it.
        name: Name of the image for messages.

    Returns:
        (H, W), uint16.

    Raises:
        BadSampleError: If it is missing, truncated, no image, or one of
            another kind.
    """

    def decode(image: Image.Image) -> np.ndarray:
        if image.mode not in _DEEP_MODES:
            raise BadSampleError(
                name,
                'expected a depth image, grey with 16 bits, got an image of '
                f'mode {image.mode}; export the depth again, 8 bits cannot '
                'hold millimetres',
            )
        values = np.asarray(image)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise BadSampleError(
                name,
                'expected depths of 16 bits, got numbers from '
                f'{values.min()} to {values.max()}',
            )
        return values.astype(np.uint16)

    return _open(source, name, decode)


def _open(
    source: str | bytes, name: str, work: Callable[[Image.Image], Result]
) -> Result:
    """Return what a function makes of an image, or refuse it by name."""
    if isinstance(source, str) and not os.path.isfile(source):
        raise BadSampleError(name, 'the file does not exist')
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file) as image:
            return work(image)
    except BadSampleError:
        raise
    except _FAULTS as error:
        raise BadSampleError(name, _describe(source, error)) from error


def _describe(source: str | bytes, error: Exception) -> str:
    head = source[:1024] if isinstance(source, bytes) else b''
    if isinstance(source, str) and os.access(source, os.R_OK):
        with open(source, 'rb') as file:
            head = file.read(1024)
    seen = describe_content(head) if head else 'an empty file'
    reason = ' '.join(str(error).split())[:300] or type(error).__name__
    return (
        f'unreadable: expected a whole image, got {seen}: {reason}; copy or '
        'export it again'
    )
