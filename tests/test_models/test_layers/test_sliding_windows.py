"""Windows of scenes: what they hold, and how they are merged."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers import SlidingWindows


def scene(num_points: int = 900, seed: int = 0) -> torch.Tensor:
    """Return points of a room of 2.3 m times 1.4 m, with a colour."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([2.3, 1.4, 3.0, 1.0])
    return torch.rand(num_points, 4, generator=generator) * size


class Recorder:
    """A network that notes what it sees, and says the half of the room."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        self.seen.append(windows)
        high = (windows[..., 2] > 1.5).float()
        return torch.stack([1 - high, 3 * high, 0 * high], dim=1)


def brute_force(points: torch.Tensor, size: float, stride: float) -> list:
    """Return the rows of every column, as the published loops have it."""
    low, high = points[:, :2].amin(0).double(), points[:, :2].amax(0).double()
    counts = ((high - low - size) / stride).ceil().long() + 1
    columns = []
    for row in range(int(counts[1])):
        for column in range(int(counts[0])):
            start = low + stride * torch.tensor([column, row])
            end = torch.minimum(start + size, high)
            start = end - size
            inside = (points[:, :2] >= start - 1e-3) & (
                points[:, :2] <= end + 1e-3
            )
            rows = inside.all(1).nonzero().flatten()
            if len(rows):
                columns.append((rows, (start + end) / 2))
    return columns


def test_without_a_block_size_the_scene_is_one_column() -> None:
    points, network = scene(), Recorder()
    windows = SlidingWindows(
        num_points=200, block_size=None, fusion='logits', batch_size=2
    )
    logits = windows(points, network)
    seen = torch.cat(network.seen)
    # 900 points in sets of 200, x and y about the middle of the scene.
    assert seen.shape == (5, 200, 4)
    middle = (points.amin(0) + points.amax(0))[:2] / 2
    expected = points.clone()
    expected[:, :2] -= middle
    rows = torch.unique(seen.flatten(0, 1), dim=0)
    assert rows.shape == (900, 4)
    rows, expected = (x[x[:, 3].argsort()] for x in (rows, expected))
    assert torch.allclose(rows, expected, atol=1e-6)
    assert torch.equal(logits.argmax(0), (points[:, 2] > 1.5).long())


def test_a_centered_scene_is_a_block_without_a_block_size() -> None:
    windows = SlidingWindows(num_points=900, block_size=None)
    points = scene().unsqueeze(0)
    assert not windows.are_blocks(points)
    middle = (points.amin(1) + points.amax(1))[:, :2] / 2
    points[..., :2] -= middle
    assert windows.are_blocks(points)
    assert not SlidingWindows(num_points=899, block_size=None).are_blocks(
        points
    )


def test_columns_are_the_published_ones() -> None:
    points = scene()
    windows = SlidingWindows(num_points=64, batch_size=1000)
    expected = brute_force(points, 1.0, 0.5)
    # 4 starts along x (0, 0.5, 1, 1.3), 2 along y.
    assert len(expected) == 8
    for (rows, middle), (own, where) in zip(
        windows._columns(points), expected, strict=True
    ):
        assert torch.equal(rows, own)
        assert torch.allclose(middle, where)


def test_every_point_of_a_column_is_seen() -> None:
    points = scene()
    windows = SlidingWindows(num_points=64, batch_size=5)
    network = Recorder()
    out = windows(points, network)
    assert out.shape == (3, 900)
    assert max(len(seen) for seen in network.seen) == 5
    seen = torch.cat(network.seen)
    columns = brute_force(points, 1.0, 0.5)
    assert len(seen) == sum(-(-len(rows) // 64) for rows, _ in columns)
    assert seen.shape[1:] == (64, 4)
    # Around the middle in x and y; height and colour as in the room.
    assert seen[..., :2].abs().max() <= 0.5 + 2e-3
    assert seen[..., 2].max() > 2.8
    first, middle = columns[0]
    share = seen[: -(-len(first) // 64)].flatten(0, 1)
    back = share[:, :2] + middle.float()
    distance = torch.cdist(
        torch.cat([back, share[:, 2:]], 1), points[first], p=1.0
    )
    assert distance.min(1).values.max() < 1e-5
    assert len(distance.argmin(1).unique()) == len(first)


def test_votes_and_logits() -> None:
    points = scene()
    high = points[:, 2] > 1.5
    votes = SlidingWindows(num_points=64)(points, Recorder())
    assert torch.equal(votes.argmax(0), high.long())
    # Whole numbers, one a window that has seen the point.
    assert torch.equal(votes, votes.round())
    assert votes.sum(0).min() >= 1
    means = SlidingWindows(num_points=64, fusion='logits')(points, Recorder())
    expected = torch.stack([(~high).float(), 3 * high.float(), 0 * high])
    torch.testing.assert_close(means, expected)


def test_same_scene_same_result_whatever_the_global_seed() -> None:
    seen = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = Recorder()
        SlidingWindows(num_points=64)(scene(), network)
        seen.append(torch.cat(network.seen))
    assert torch.equal(*seen)
    other = Recorder()
    SlidingWindows(num_points=64, seed=1)(scene(), other)
    assert not torch.equal(torch.cat(other.seen), seen[0])


@pytest.mark.parametrize('num_points', [1, 10, 900])
def test_scenes_smaller_than_a_window(num_points: int) -> None:
    """Also with so few points that they are repeated more than once."""
    points = scene(num_points) * 0.1
    network = Recorder()
    out = SlidingWindows(num_points=64)(points, network)
    assert out.shape == (3, num_points)
    assert out.sum(0).min() >= 1
    assert all(seen.shape[1] == 64 for seen in network.seen)


def test_blocks_are_known() -> None:
    windows = SlidingWindows(num_points=64)
    block = scene(64)[None] * 0.4 - 0.45
    assert windows.are_blocks(block[:, :, :3])
    assert not windows.are_blocks(block + 0.5)
    assert not windows.are_blocks(scene(65)[None] * 0)


def test_a_scene_in_millimetres_is_refused() -> None:
    points = torch.tensor([[0.0, 0, 0], [7000, 5000, 2]])
    windows = SlidingWindows(num_points=100, block_size=1.5)
    with pytest.raises(ValueError, match='7000 x 5000'):
        windows(points, Recorder())
