"""Clouds of frames and their images; pixels follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.transforms import (
    LoadFrame,
    LoadImage,
    PrepareImage,
)
from tests.rgbd_files import (
    LOST,
    Video,
    encode,
    make_video,
    write_exported,
)

SHAPES = [(30, 40), (40, 30), (24, 24), (17, 61), (9, 11)]


def frame(scene: Path, number: int) -> dict:
    image = scene / 'color' / f'{number}.png'
    return dict(scene_path=str(scene), img_path=str(image))


def noise(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_load_render(tmp_path: Path) -> None:
    path = tmp_path / 'a.png'
    path.write_bytes(encode(noise((4, 5)), 'PNG'))
    results = LoadImage()(dict(img_path=str(path)))
    assert np.array_equal(results['image'], noise((4, 5)))
    with pytest.raises(KeyError, match='img_path'):
        LoadImage()({})


@pytest.mark.parametrize('shape', SHAPES)
def test_as_clip_prepares_it(shape: tuple[int, int]) -> None:
    transforms = pytest.importorskip('torchvision.transforms')
    mode = transforms.InterpolationMode.BICUBIC
    clip = transforms.Compose(
        [
            transforms.Resize(16, interpolation=mode),
            transforms.CenterCrop(16),
            transforms.PILToTensor(),
        ]
    )
    results = PrepareImage(16)(dict(image=noise(shape)))
    assert 'image' not in results
    images = results['images']
    assert (images.shape, images.dtype) == ((3, 16, 16), torch.uint8)
    assert torch.equal(images, clip(Image.fromarray(noise(shape))))


@pytest.mark.parametrize('crop', ['center', 'squash'])
@pytest.mark.parametrize('shape', SHAPES)
def test_pixels_follow_the_image(shape: tuple[int, int], crop: str) -> None:
    height, width = shape
    # Large smooth areas: red grows to the right, green downward.
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None]
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    rng = np.random.default_rng(1)
    pixels = rng.random((400, 2)).astype(np.float32)
    results = PrepareImage(64, crop)(dict(image=image, pixels=pixels.copy()))
    moved, images = results['pixels'], results['images']
    inside = (moved >= 0).all(axis=1)
    assert np.array_equal(moved[~inside], np.full((sum(~inside), 2), -1))
    assert (moved[inside] < 1).all()
    if crop == 'squash' or height == width:
        np.testing.assert_allclose(moved, pixels, atol=1e-6)
    else:
        share = min(shape) / max(shape)
        assert abs(inside.mean() - share) < 0.08
    columns, rows = (moved[inside] * 64).astype(int).T
    # Of the pixel's centre, which is at most half a pixel away.
    for channel, axis, side in ((0, 0, width), (1, 1, height)):
        place = pixels[inside][:, axis] * side - 0.5
        expected = np.clip(place / (side - 1), 0, 1) * 255
        found = images[channel].numpy()[rows, columns]
        assert np.abs(found - expected).max() < 255 / side * 1.2 + 6


def test_without_an_image_pixels_alone_are_moved() -> None:
    pixels = np.array([[0.01, 0.5], [0.5, 0.25]], np.float32)
    both = PrepareImage(8)(dict(image=noise((10, 20)), pixels=pixels))
    alone = PrepareImage(8)(dict(image_shape=(10, 20), pixels=pixels))
    assert np.array_equal(both['pixels'], alone['pixels'])
    assert alone['pixels'].tolist() == [[-1, -1], [0.5, 0.25]]
    assert 'images' not in alone
    assert PrepareImage(8)(dict(img_path='a')) == dict(img_path='a')


@pytest.fixture
def video() -> Video:
    """A video of two frames."""
    return make_video(2)


@pytest.fixture
def info(tmp_path: Path, video: Video) -> dict:
    """Where the first frame is."""
    path = write_exported(tmp_path / 'scene', video, [0, 1])
    return frame(path, 0) | dict(rng_key=(0, 0, 0))


def test_world_is_the_pose_of_the_camera(info: dict, video: Video) -> None:
    camera = LoadFrame('camera')(dict(info))
    world = LoadFrame('world')(dict(info))
    upright = camera['points'].tensor.numpy().astype(np.float64)
    assert len(upright) == np.count_nonzero(video.depths[0])
    # y is up and z to the viewer: what is ahead is at -z.
    assert (upright[:, 2] < 0).all()
    seen = upright * [1, -1, -1]
    expected = seen @ video.poses[0][:3, :3].T + video.poses[0][:3, 3]
    np.testing.assert_allclose(world['points'].tensor, expected, atol=1e-5)
    assert np.array_equal(camera['pixels'], world['pixels'])
    # Where the image shows it: higher points higher up.
    above = camera['pixels'][:, 1] < 0.5
    assert np.array_equal(above, upright[:, 1] > 0)


@pytest.mark.parametrize(
    ('place', 'options'),
    [
        (0, dict(coordinates='world')),
        (0, dict(min_depth=5)),
        (1, {}),
    ],
)
def test_frames_that_cannot_be_used(
    tmp_path: Path, video: Video, place: int, options: dict
) -> None:
    """No pose, nothing beyond 5 m, no depth."""
    video.poses[0] = LOST
    video.depths[1][:] = 0
    path = write_exported(tmp_path / 'a', video, [0, 1])
    with pytest.raises(BadSampleError, match=rf'{place}\.(png|txt): expected'):
        LoadFrame(**options)(frame(path, place))
    LoadFrame()(frame(path, 0))


def test_the_image_comes_after_the_points(info: dict) -> None:
    results = PrepareImage(8)(LoadImage()(dict(info)))
    with pytest.raises(ValueError, match='PrepareImage'):
        LoadFrame()(results)
