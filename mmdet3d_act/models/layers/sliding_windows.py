"""Segmentation of a whole scene in overlapping windows.

Letters: W windows, P points of a window, N points of the scene, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mmdet3d_act.text import check_choice, check_least

FUSIONS = ('votes', 'logits')
# More columns of windows are days of work: the unit is another.
MOST_COLUMNS = 100_000


class SlidingWindows:
    """Cuts a scene into columns, and merges what is said of their points.

    Columns of ``block_size`` times ``block_size`` metres and all of the
    scene's height stand on a grid of ``block_size * sample_rate`` metres;
    the last of a row ends where the scene ends. Without a ``block_size`` one
    column is the whole scene. The points of a column are shuffled and dealt
    out in sets of ``num_points``, so that each of them is seen at least once;
    what is lacking in the last set are repetitions. x and y are relative to
    the column's middle, z and the features stay as they are, as in the blocks
    that networks are trained on. Draws come from a generator of its own: the
    same scene gives the same result. What is such a block already, see
    :meth:`are_blocks`, need not be cut.

    Source: whole-scene test of the published code of ACT (its
    ``semantic_segmentation/main_test.py``, commit 508019c), which is
    PointNet++'s; MMDetection3D's `EncoderDecoder3D` has its options' names.

    Args:
        num_points: Points P that the network sees at once.
        block_size: Side of a column, metres; None: the whole scene.
        sample_rate: Distance of the columns as a fraction of their side, up
            to 1.
        batch_size: Windows that the network gets at once.
        num_votes: How many times the whole is done, with other draws.
        fusion: ``'votes'``: every window votes for one class a point, as
            published; ``'logits'``: the mean of the windows' logits.
        padding: Points so far outside of a column still belong to it, metres.
        seed: Of the draws.

    Raises:
        ValueError: If an option is out of its range.
    """

    def __init__(
        self,
        *,
        num_points: int = 2048,
        block_size: float | None = 1.0,
        sample_rate: float = 0.5,
        batch_size: int = 32,
        num_votes: int = 1,
        fusion: str = 'votes',
        padding: float = 1e-3,
        seed: int = 0,
    ) -> None:
        for name, count in (
            ('num_points', num_points),
            ('batch_size', batch_size),
            ('num_votes', num_votes),
        ):
            check_least(name, count, 1)
        if block_size is not None and block_size <= 0:
            raise ValueError(
                'block_size must be > 0, or None for the whole scene, got '
                f'{block_size}'
            )
        if not 0 < sample_rate <= 1:
            raise ValueError(
                'sample_rate must be above 0 and at most 1, or points between '
                f'the windows are never seen; got {sample_rate}'
            )
        check_choice('fusion', fusion, FUSIONS)
        self.num_points = num_points
        self.block_size = block_size
        self.sample_rate = sample_rate
        self.batch_size = batch_size
        self.num_votes = num_votes
        self.fusion = fusion
        self.padding = padding
        self.seed = seed

    def __call__(
        self, points: Tensor, network: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return the merged logits of a scene, (C, N).

        Args:
            points: (N, 3+F), metres, z up.
            network: From (W, P, 3+F) to logits, (W, C, P).

        Returns:
            With votes the number of votes for each class, with logits their
            mean.
        """
        total = count = None
        for rows, middles in self._batches(points):
            logits = self._run(points, rows, middles, network)
            if total is None:
                total = logits.new_zeros(len(points), logits.shape[-1])
                count = logits.new_zeros(len(points))
            total.index_add_(0, rows.flatten(), logits)
            count.index_add_(0, rows.flatten(), torch.ones_like(logits[:, 0]))
        if self.fusion == 'logits':
            total = total / count.unsqueeze(1)
        return total.t()

    def are_blocks(self, points: Tensor) -> bool:
        """Tell whether clouds are blocks as the network is trained on.

        These have up to ``num_points`` points, all in the column around the
        origin, or, without a ``block_size``, around it: their x and y have
        the origin in the middle.

        Args:
            points: (B, N, 3+F), metres, z up.
        """
        if points.shape[1] > self.num_points:
            return False
        ground = points[..., :2]
        if self.block_size is None:
            middle = (ground.amin(1) + ground.amax(1)) / 2
            return bool((middle.abs() <= self.padding).all())
        reach = self.block_size / 2 + self.padding
        return bool((ground.abs() <= reach).all())

    def _run(
        self,
        points: Tensor,
        rows: Tensor,
        middles: Tensor,
        network: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Predict the points of the windows, (W*P, C)."""
        windows = points[rows]  # (W, P, 3+F), a copy
        windows[..., :2] -= middles.unsqueeze(1)
        logits = network(windows).float().transpose(1, 2).flatten(0, 1)
        if self.fusion == 'logits':
            return logits
        votes = torch.zeros_like(logits)
        return votes.scatter_(1, logits.argmax(1, keepdim=True), 1.0)

    def _batches(self, points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows, int64 (W, P), and the columns' middles, (W, 2)."""
        generator = torch.Generator().manual_seed(self.seed)
        rows, middles = [], []
        for _ in range(self.num_votes):
            for inside, middle in self._columns(points):
                dealt = self._deal(inside, generator)
                rows.extend(dealt)
                middles.extend([middle] * len(dealt))
                while len(rows) >= self.batch_size:
                    yield self._stack(points, rows, middles)
        if rows:
            yield self._stack(points, rows, middles)

    def _stack(
        self, points: Tensor, rows: list[Tensor], middles: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Take a batch from the front of both lists."""
        size = self.batch_size
        batch = torch.stack(rows[:size]), torch.stack(middles[:size])
        del rows[:size], middles[:size]
        return batch[0].to(points.device), batch[1].to(points)

    def _columns(self, points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the rows in each column that has some, and its middle."""
        ground = points[:, :2].detach().double().cpu()
        low, high = ground.amin(0), ground.amax(0)
        if self.block_size is None:
            yield torch.arange(len(points)), (low + high) / 2
            return
        half = self.block_size / 2
        reach = half + self.padding
        over, up = (
            self._middles(low[axis], high[axis], self.block_size)
            for axis in (0, 1)
        )
        if len(over) * len(up) > MOST_COLUMNS:
            wide, deep = (high - low).tolist()
            raise ValueError(
                f'{len(over) * len(up)} windows of {self.block_size} for a '
                f'scene of {wide:.0f} x {deep:.0f}: are these metres? State '
                'the scale (--scale, ACT_SCALE), or cut the scene into tiles'
            )
        for y in up:
            strip = ((ground[:, 1] - y).abs() <= reach).nonzero().flatten()
            across = ground[strip, 0]
            for x in over:
                inside = strip[(across - x).abs() <= reach]
                if len(inside):
                    yield inside, ground.new_tensor([x, y])

    def _middles(self, low: Tensor, high: Tensor, size: float) -> list[float]:
        """Find where the columns stand along one axis."""
        low, high = float(low), float(high)
        stride = size * self.sample_rate
        count = max(1, math.ceil((high - low - size) / stride) + 1)
        ends = (low + index * stride + size for index in range(count))
        return [min(end, high) - size / 2 for end in ends]

    def _deal(
        self, inside: Tensor, generator: torch.Generator
    ) -> list[Tensor]:
        """Return the rows of a column in sets of ``num_points``."""
        num, size = len(inside), self.num_points
        lacking = -num % size
        if lacking <= num:
            extra = torch.randperm(num, generator=generator)[:lacking]
        else:
            extra = torch.randint(num, (lacking,), generator=generator)
        rows = torch.cat([inside, inside[extra]])
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        return list(shuffled.view(-1, size))
