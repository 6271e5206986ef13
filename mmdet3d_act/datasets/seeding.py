"""Randomness of samples as a function of (seed, epoch, index) alone.

MMEngine reseeds its worker processes identically at every start, so an
augmentation that draws from their global generators repeats each epoch and
changes with the number of workers. Here the sampler hands out indices that
know their epoch and seed, and the data set seeds the generators from them
around its pipeline.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmdet3d_act.registry import DATA_SAMPLERS

_STATIC_STREAM = 1
_EPOCH_STREAM = 2
_SUBSTITUTE_STREAM = 3
_FIXED_STREAM = 4


class RngKey(NamedTuple):
    """What decides the random choices of one sample."""

    seed: int
    epoch: int
    index: int  # type: ignore[assignment]


class SampleIndex(int):
    """An index that carries the epoch and the seed it was drawn for.

    It is an int wherever one is expected. The sums, differences and
    remainders by which data-set wrappers (concatenation, repetition) turn a
    global into a local index keep the epoch and the seed, and so does
    pickling, which takes an index to a worker process.

    Args:
        value: The index.
        epoch: Epoch that the index was drawn in, from 0.
        seed: Seed of the run, not negative.

    Example:
        >>> index = SampleIndex(7, epoch=3, seed=1)
        >>> (index - 5, (index - 5).epoch)
        (2, 3)
    """

    epoch: int
    seed: int

    def __new__(cls, value: int, epoch: int = 0, seed: int = 0) -> SampleIndex:
        """Return the index with its epoch and seed."""
        index = super().__new__(cls, value)
        index.epoch = int(epoch)
        index.seed = int(seed)
        return index

    def __reduce__(self) -> tuple:
        """Rebuild the index in another process."""
        return SampleIndex, (int(self), self.epoch, self.seed)

    def _like(self, value: int) -> SampleIndex:
        return SampleIndex(value, self.epoch, self.seed)

    def __add__(self, other: int) -> SampleIndex:
        """Return the sum, of the same epoch and seed."""
        return self._like(int(self) + int(other))

    __radd__ = __add__

    def __sub__(self, other: int) -> SampleIndex:
        """Return the difference, of the same epoch and seed."""
        return self._like(int(self) - int(other))

    def __mod__(self, other: int) -> SampleIndex:
        """Return the remainder, of the same epoch and seed."""
        return self._like(int(self) % int(other))


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler):
    """Yields `SampleIndex`, in an order that (seed, epoch) decides.

    Process r of W takes every W-th index from the r-th on, so the samples of
    a step, over all processes together, do not depend on W when the total
    batch size is the same. Indices from the beginning fill up the last round,
    so that every process has the same number.

    It is for MMEngine's epoch-based loop, whose sampler hook calls
    `set_epoch` before each epoch; workers may be persistent. MMEngine's
    iteration-based loop calls it too when it starts over, and skips the
    batches seen so far when it resumes, so it works there as well. Wrappers
    (`ConcatDataset`, `RepeatDataset`, our `ClassBalancedDataset`) keep epoch
    and seed of the index.

    Args:
        dataset: The data set.
        shuffle: Whether the order is random.
        seed: Seed of the order and of the samples, the same in all
            processes. None draws one and shares it.
        shared: Whether every process takes all indices instead of its share.

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
        shared: bool = False,
    ) -> None:
        self.rank, self.world_size = 0, 1
        if not shared:
            self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        # Of the next iteration, whose first indices were trained with
        # before the training was resumed.
        self.num_done = 0

    def __iter__(self) -> Iterator[SampleIndex]:
        """Return this process's indices of the epoch."""
        length = len(self.dataset)
        if self.shuffle:
            generator = np.random.default_rng((self.seed, self.epoch))
            order = generator.permutation(length)
        else:
            order = np.arange(length)
        order = np.resize(order, len(self) * self.world_size)
        own = order[self.rank :: self.world_size][self.num_done :].tolist()
        self.num_done = 0
        return iter([SampleIndex(i, self.epoch, self.seed) for i in own])

    def __len__(self) -> int:
        """Return the number of this process's indices."""
        return math.ceil(len(self.dataset) / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch


def rng_key(index: int, length: int) -> RngKey:
    """Give the key of the sample at an index in [-length, length).

    A plain int stands for epoch 0 and seed 0; negative values count from the
    end.

    Raises:
        IndexError: If the index is outside.
    """
    position = int(index)
    if not -length <= position < length:
        raise IndexError(
            f'expected an index in [{-length}, {length}), got {position}'
        )
    return RngKey(
        getattr(index, 'seed', 0),
        getattr(index, 'epoch', 0),
        position % length,
    )


@contextmanager
def seeded(sequence: np.random.SeedSequence) -> Iterator[None]:
    """Seed Python's, NumPy's and PyTorch's CPU generators for a while.

    The state before is put back on leaving, also after an error. Generators
    of accelerators are left alone: samples are made on the CPU.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = sequence.generate_state(8)
    random.seed(int.from_bytes(words.tobytes(), 'little'))
    np.random.seed(words)
    torch.default_generator.manual_seed(int(words[0]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def epoch_stream(key: RngKey) -> np.random.SeedSequence:
    """Give the seeds of what may differ from epoch to epoch."""
    return np.random.SeedSequence(tuple(key), spawn_key=(_EPOCH_STREAM,))


def static_stream(key: RngKey) -> np.random.SeedSequence:
    """Give the seeds of what stays the same in every epoch."""
    return np.random.SeedSequence(
        (key.seed, key.index), spawn_key=(_STATIC_STREAM,)
    )


def substitute_order(key: RngKey, length: int) -> np.ndarray:
    """Order all indices, (length,), int64, as substitutes of a bad sample."""
    sequence = np.random.SeedSequence(
        tuple(key), spawn_key=(_SUBSTITUTE_STREAM,)
    )
    return np.random.default_rng(sequence).permutation(length)


def fixed_generator(results: dict) -> np.random.Generator:
    """Make a generator that is the same for a sample in every epoch.

    Raises:
        KeyError: If the sample has no ``rng_key``.
    """
    if 'rng_key' not in results:
        raise KeyError(
            'a choice that is the same in every epoch needs '
            "results['rng_key'], which the data sets of mmdet3d_act provide; "
            'use one of them, or set per_epoch=True'
        )
    seed, _, index = results['rng_key']
    return np.random.default_rng(
        np.random.SeedSequence((seed, index), spawn_key=(_FIXED_STREAM,))
    )
