"""Colour and depth images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.images import (
    read_depth_image,
    read_image,
    read_image_size,
)
from tests.rgbd_files import encode


def test_colours_from_file_and_bytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / 'a.png'
    path.write_bytes(encode(image, 'PNG'))
    for source in (str(path), path.read_bytes()):
        assert np.array_equal(read_image(source, 'a'), image)
        assert read_image_size(source, 'a') == (5, 7)


def test_transparent_parts_become_white() -> None:
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, :, 3] = 0, 255, 51
    rows = read_image(encode(image, 'PNG'), 'a')[0]
    assert rows[:, 0].tolist() == [255, 0, 204]
    rows = read_image(encode(image, 'PNG'), 'a', (10, 20, 30))[0]
    assert rows[0].tolist() == [10, 20, 30]


def test_grey_and_palette_become_colours() -> None:
    grey = np.array([[0, 100, 200]], np.uint8)
    assert read_image(encode(grey, 'PNG'), 'a')[0, 1].tolist() == [100] * 3
    content = io.BytesIO()
    Image.fromarray(grey).convert('P').save(content, 'PNG')
    assert read_image(content.getvalue(), 'a')[0, 2].tolist() == [200] * 3


def test_depth_keeps_all_16_bits() -> None:
    depth = np.array([[0, 1, 255, 256, 40000, 65535]], np.uint16)
    found = read_depth_image(encode(depth, 'PNG'), 'a')
    assert found.dtype == np.uint16
    assert np.array_equal(found, depth)


def test_depth_of_8_bits() -> None:
    content = encode(np.zeros((2, 2), np.uint8), 'PNG')
    with pytest.raises(BadSampleError, match=r'16 bits, got .* mode L'):
        read_depth_image(content, 'a')


@pytest.mark.parametrize('read', [read_image, read_depth_image])
def test_files_that_are_none(tmp_path: Path, read: object) -> None:
    path = tmp_path / 'a.png'
    with pytest.raises(BadSampleError, match=r'a\.png: the file does not'):
        read(str(path), str(path))
    path.write_bytes(b'')
    with pytest.raises(BadSampleError, match='got an empty file'):
        read(str(path), str(path))
    path.write_text('some words')
    with pytest.raises(BadSampleError, match='whole image, got text'):
        read(str(path), str(path))
    depth = np.random.default_rng(0).integers(0, 65535, (40, 40))
    whole = encode(depth.astype(np.uint16), 'PNG')
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadSampleError, match='got a PNG picture'):
        read(str(path), str(path))
