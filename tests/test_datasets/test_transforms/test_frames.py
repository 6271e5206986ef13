"""Clouds of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import open_scene
from mmdet3d_act.datasets.transforms import (
    LoadFrame,
    LoadImage,
    PrepareImage,
    SamplePoints,
)
from tests.rgbd_files import (
    LOST,
    Video,
    make_video,
    write_exported,
    write_sens,
)


@pytest.fixture
def video() -> Video:
    """A video of two frames."""
    return make_video(2)


@pytest.fixture
def info(tmp_path: Path, video: Video) -> dict:
    """Where the first frame is."""
    path = write_exported(tmp_path / 'scene', video, [0, 1])
    return dict(scene_path=str(path), frame_place='0', rng_key=(0, 0, 0))


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


def test_colours_are_those_of_the_pixels(info: dict, video: Video) -> None:
    results = LoadFrame(use_dim=6)(dict(info))
    points = results['points']
    assert points.tensor.shape == (len(results['pixels']), 6)
    for row in (0, 50, -1):
        u, v = results['pixels'][row] * (32, 24)
        expected = video.colors[0][int(v), int(u)]
        assert points.tensor[row, 3:].tolist() == expected.tolist()
    assert points.color.shape == (len(points), 3)
    assert LoadImage()(results)['image'] is results['image']


def test_both_formats_give_the_same_cloud(
    tmp_path: Path, info: dict, video: Video
) -> None:
    path = write_sens(tmp_path / 'a.sens', video, color=1)
    places = [e.place for e in open_scene(str(path)).entries(1, {})]
    other = dict(scene_path=str(path), frame_place=places[0])
    first, second = LoadFrame()(dict(info)), LoadFrame()(other)
    np.testing.assert_allclose(
        first['points'].tensor, second['points'].tensor, atol=1e-6
    )
    np.testing.assert_allclose(first['pixels'], second['pixels'], atol=1e-6)


def test_pixels_go_with_their_points(info: dict) -> None:
    results = PrepareImage(16)(LoadImage()(LoadFrame()(dict(info))))
    whole = {
        tuple(point): tuple(pixel)
        for point, pixel in zip(
            results['points'].tensor.tolist(),
            results['pixels'].tolist(),
            strict=True,
        )
    }
    results = SamplePoints(20)(results)
    assert results['pixels'].shape == (20, 2)
    for point, pixel in zip(
        results['points'].tensor.tolist(),
        results['pixels'].tolist(),
        strict=True,
    ):
        assert whole[tuple(point)] == tuple(pixel)


def test_frames_that_cannot_be_used(tmp_path: Path, video: Video) -> None:
    video.poses[0] = LOST
    video.depths[1][:] = 0
    path = str(write_exported(tmp_path / 'a', video, [0, 1]))
    with pytest.raises(BadSampleError, match='expected a pose that is a rot'):
        LoadFrame('world')(dict(scene_path=path, frame_place='0'))
    LoadFrame()(dict(scene_path=path, frame_place='0'))
    with pytest.raises(BadSampleError, match=r'at least 64 points .* got 0'):
        LoadFrame()(dict(scene_path=path, frame_place='1'))
    with pytest.raises(BadSampleError, match='got 0'):
        LoadFrame(min_depth=5)(dict(scene_path=path, frame_place='0'))


def test_the_image_comes_after_the_points(info: dict) -> None:
    results = PrepareImage(8)(LoadImage()(dict(info)))
    with pytest.raises(ValueError, match='LoadFrame came after PrepareImage'):
        LoadFrame()(results)
