"""Reading pictures: colour images and depth images of 16 bits."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import numpy as np
from PIL import Image

from mmdet3d_act.datasets.readers.errors import (
    BoundedReader,
    check_expansion,
    reading,
)

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')
# Pillow's names of grey images that hold 16 bits.
_DEEP_MODES = ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I')
_PIXEL_BYTES = 4


def read_image(source: str | bytes, name: str) -> np.ndarray:
    """Read a colour image; transparent parts become white.

    Args:
        source: The file, or what is in it.
        name: Name of the image for messages.

    Returns:
        (H, W, 3), uint8, red, green, blue.
    """
    with _opened(source, name) as image:
        if 'A' in image.getbands() or 'transparency' in image.info:
            image = image.convert('RGBA')
            canvas = Image.new('RGBA', image.size, 'white')
            image = Image.alpha_composite(canvas, image)
        return np.array(image.convert('RGB'))


def read_image_size(source: str | bytes, name: str) -> tuple[int, int]:
    """Read height and width of an image, pixels, from its header alone."""
    with _opened(source, name) as image:
        return image.height, image.width


def read_depth_image(source: str | bytes, name: str) -> np.ndarray:
    """Read the numbers of a grey image of 16 bits, (H, W), uint16."""
    with _opened(source, name) as image:
        if image.mode not in _DEEP_MODES:
            raise ValueError(
                'expected a depth image, grey with 16 bits, got mode '
                f'{image.mode}; 8 bits cannot hold millimetres'
            )
        values = np.asarray(image)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise ValueError(
                'expected depths of 16 bits, got numbers from '
                f'{values.min()} to {values.max()}'
            )
        return values.astype(np.uint16)


@contextlib.contextmanager
def _opened(source: str | bytes, name: str) -> Iterator[Image.Image]:
    """Open an image of a size that its bytes can hold."""
    with reading(source if isinstance(source, str) else name, 'a picture'):
        file: io.BytesIO | BoundedReader
        if isinstance(source, str):
            size, file = os.path.getsize(source), BoundedReader(source)
        else:
            size, file = len(source), io.BytesIO(source)
        with file, Image.open(file) as image:
            check_expansion(image.width * image.height * _PIXEL_BYTES, size)
            yield image
