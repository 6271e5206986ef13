from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import LoadRoom, LoadRoomBlock
from tests.segmentation_data import room_rows

# Where the room lies in its building.
CORNER = np.array([5.0, -7.0, 0.5])
# No two points have the same height.
STEP = 0.0004


@pytest.fixture
def rows() -> np.ndarray:
    """A room of 3 m by 2 m by 2.5 m, in the building's coordinates."""
    rng = np.random.default_rng(0)
    rows = room_rows(6000, rng)
    rows[:, 2] = rng.permutation(6000) * STEP
    rows[:, :3] += CORNER
    return rows


@pytest.fixture
def path(tmp_path: Path, rows: np.ndarray) -> str:
    """The room's file."""
    np.save(tmp_path / 'Area_1_office_1.npy', rows)
    return str(tmp_path / 'Area_1_office_1.npy')


def _rows_of(coords: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which row each point is, by its height."""
    order = np.argsort(rows[:, 2])
    return order[np.rint(coords[:, 2] / STEP).astype(int)]


def test_whole_room(path: str, rows: np.ndarray) -> None:
    results = LoadRoom()(dict(lidar_path=path))
    points = results['points'].tensor.numpy()
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, rows[:, :3] - CORNER, atol=1e-6)
    assert results['pts_semantic_mask'].dtype == np.int64
    np.testing.assert_array_equal(results['pts_semantic_mask'], rows[:, 6])


def test_color_and_place_in_the_room(path: str, rows: np.ndarray) -> None:
    results = LoadRoom(use_dim=9)(dict(lidar_path=path))
    points = results['points'].tensor.numpy()
    np.testing.assert_allclose(points[:, 3:6], rows[:, 3:6] / 255, atol=1e-6)
    inner = rows[:, :3] - CORNER
    np.testing.assert_allclose(points[:, 6:], inner / inner.max(0), atol=1e-6)
    assert results['points'].attribute_dims == dict(color=[3, 4, 5])
    plain = LoadRoom(use_dim=6)(dict(lidar_path=path))['points'].tensor
    np.testing.assert_array_equal(plain, points[:, :6])


def test_block(path: str, rows: np.ndarray) -> None:
    np.random.seed(1)
    load = LoadRoomBlock(500, min_points=400, use_dim=9)
    results = load(dict(lidar_path=path))
    points = results['points'].tensor.numpy()
    assert points.shape == (500, 9)
    assert np.abs(points[:, :2]).max() <= 0.5 + 1e-6
    chosen = _rows_of(points, rows)
    assert len(set(chosen)) == 500
    np.testing.assert_array_equal(
        results['pts_semantic_mask'], rows[chosen, 6]
    )
    # x and y are about the centre, which is one of the room's points.
    shifts = rows[chosen, :2] - points[:, :2]
    np.testing.assert_allclose(shifts, shifts[:1].repeat(500, 0), atol=1e-5)
    assert np.abs(rows[:, :2] - shifts[0]).max(1).min() < 1e-5
    np.testing.assert_allclose(
        points[:, 3:6], rows[chosen, 3:6] / 255, atol=1e-6
    )
    inner = rows[:, :3] - CORNER
    np.testing.assert_allclose(
        points[:, 6:], (inner / inner.max(0))[chosen], atol=1e-6
    )


def test_all_points_of_the_column_can_be_drawn(
    path: str, rows: np.ndarray
) -> None:
    """A block that is as large as the room is the room."""
    load = LoadRoomBlock(6000, block_size=99.0)
    points = load(dict(lidar_path=path))['points'].tensor.numpy()
    assert sorted(_rows_of(points, rows)) == list(range(6000))


def test_small_blocks_take_points_again(path: str, rows: np.ndarray) -> None:
    np.random.seed(0)
    load = LoadRoomBlock(3000, min_points=0)
    points = load(dict(lidar_path=path))['points'].tensor.numpy()
    chosen = _rows_of(points, rows)
    assert points.shape == (3000, 3)
    # About a sixth of the room's points are in a block away from its walls.
    assert 200 < len(set(chosen)) < 1200


def test_draws_follow_numpys_generator(path: str) -> None:
    load = LoadRoomBlock(64, min_points=100)

    def draw(seed: int) -> np.ndarray:
        np.random.seed(seed)
        return load(dict(lidar_path=path))['points'].tensor.numpy()

    np.testing.assert_array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


def test_corner_of_the_room_is_never_a_block(
    tmp_path: Path, rows: np.ndarray
) -> None:
    """Few points alone in a far corner: their blocks are drawn again."""
    rows[:50, 0] += 100
    np.save(tmp_path / 'far.npy', rows)
    load = LoadRoomBlock(32, min_points=60)
    for seed in range(30):
        np.random.seed(seed)
        points = load(dict(lidar_path=str(tmp_path / 'far.npy')))['points']
        chosen = _rows_of(points.tensor.numpy(), rows)
        assert chosen.min() >= 50


def test_room_without_a_block(path: str) -> None:
    load = LoadRoomBlock(64, min_points=5999)
    with pytest.raises(BadSampleError, match=r'no block of 1.0 m .* 5999'):
        load(dict(lidar_path=path))


def test_flat_rooms_have_places(tmp_path: Path, rows: np.ndarray) -> None:
    rows[:, 2] = 3
    np.save(tmp_path / 'flat.npy', rows)
    results = LoadRoom(9)(dict(lidar_path=str(tmp_path / 'flat.npy')))
    assert (results['points'].tensor[:, 8] == 0).all()
