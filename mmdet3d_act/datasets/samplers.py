"""The training sampler, whose indices know their epoch and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmdet3d_act.datasets.seeding import SampleIndex
from mmdet3d_act.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler):
    """Yields `SampleIndex`, in an order that (seed, epoch) decides.

    Process r of W takes every W-th index from the r-th on, so the samples of
    a step, over all processes together, do not depend on W when the total
    batch size is the same.

    It is for MMEngine's epoch-based loop, whose sampler hook calls
    `set_epoch` before each epoch; workers may be persistent. MMEngine's
    iteration-based loop calls it too when it starts over, and skips the
    batches seen so far when it resumes, so it works there as well. The
    wrappers `ConcatDataset` and `RepeatDataset` keep epoch and seed of the
    index; `ClassBalancedDataset` looks indices up in a list and loses them.

    Args:
        dataset: The data set.
        shuffle: Whether the order is random.
        seed: Seed of the order and of the samples, the same in all
            processes. None draws one and shares it.
        round_up: Whether indices from the beginning fill up the last round,
            so that every process has the same number.
        shared: Whether every process takes all indices instead of its share.

    Raises:
        ValueError: If the data set is empty or the seed negative.

    Example:
        >>> sampler = EpochSampler(range(3), shuffle=False, seed=5)
        >>> sampler.set_epoch(2)
        >>> [(int(i), i.epoch, i.seed) for i in sampler]
        [(0, 2, 5), (1, 2, 5), (2, 2, 5)]
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        *,
        seed: int | None = None,
        round_up: bool = True,
        shared: bool = False,
    ) -> None:
        if len(dataset) == 0:
            raise ValueError('EpochSampler needs a data set that is not empty')
        if seed is not None and seed < 0:
            raise ValueError(f'seed must be >= 0, got {seed}')
        self.rank, self.world_size = (0, 1) if shared else get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0

    def __iter__(self) -> Iterator[SampleIndex]:
        """Return this process's indices of the epoch."""
        length = len(self.dataset)
        if self.shuffle:
            generator = np.random.default_rng((self.seed, self.epoch))
            order = generator.permutation(length)
        else:
            order = np.arange(length)
        if self.round_up:
            order = np.resize(order, len(self) * self.world_size)
        own = order[self.rank :: self.world_size].tolist()
        return iter([SampleIndex(i, self.epoch, self.seed) for i in own])

    def __len__(self) -> int:
        """Return the number of this process's indices."""
        length = len(self.dataset)
        if not self.round_up:
            length -= self.rank
        return math.ceil(length / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration.

        Args:
            epoch: Epoch, from 0.
        """
        self.epoch = epoch
