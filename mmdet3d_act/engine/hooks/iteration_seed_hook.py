"""Random numbers of the model as a function of seed, iteration and rank."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.registry import HOOKS

# Keep what an iteration draws apart from what the start of an epoch draws.
_ITERATION_STREAM = 1
_EPOCH_STREAM = 2


def seed_everything(
    seed: int, iteration: int, rank: int, *, stream: int = _ITERATION_STREAM
) -> None:
    """Seed PyTorch (CPU and all CUDA devices), NumPy and Python.

    Args:
        seed: Seed of the training, >= 0.
        iteration: Iteration, from 0.
        rank: Rank of the process, from 0.
        stream: Number that tells independent uses apart.
    """
    sequence = np.random.SeedSequence(
        (seed, iteration, rank), spawn_key=(stream,)
    )
    for_torch, for_python, for_numpy = sequence.generate_state(3, np.uint64)
    torch.manual_seed(int(for_torch))
    random.seed(int(for_python))
    # Transforms and metrics of other packages draw from the global generator.
    np.random.seed(int(for_numpy) % 2**32)  # noqa: NPY002


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds all generators before every train iteration.

    Masks, Gumbel noise, dropout and drop path then depend on (seed,
    iteration, rank) and on nothing else: not on validations in between, and
    not on restarts. Together with the data sets of this package, whose
    samples depend on (seed, epoch, index), a training that is killed and
    resumed ends in the same weights. The start of an epoch is seeded as well,
    for transforms of other packages that draw in this process.

    The seed is the runner's: ``randomness.seed`` of the config, or what a
    resumed checkpoint was trained with.

    Example:
        >>> custom_hooks = [dict(type='IterationSeedHook')]
    """

    # After all other hooks, in case one of them draws.
    priority = 'LOWEST'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed what is drawn before the first iteration of an epoch."""
        seed_everything(
            runner.seed, runner.iter, get_rank(), stream=_EPOCH_STREAM
        )

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
    ) -> None:
        """Seed what the model draws in this iteration."""
        seed_everything(runner.seed, runner.iter, get_rank())
