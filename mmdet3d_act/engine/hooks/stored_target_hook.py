"""Compares the pairs of the data with the stores of their targets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act.datasets.base import iter_datasets
from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.models.target_generators import (
    StoredTarget,
    StoreError,
    TargetStore,
)
from mmdet3d_act.models.target_generators.stored_target import TOOL
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import warn


@HOOKS.register_module()
class StoredTargetHook(Hook):
    """Finds targets that are missing before the first step.

    Of the training and of the validation data, which would be read an epoch
    later. Pairs whose image could not be read when the store was made are
    left out, where their data set has ``on_error='skip'``.
    """

    # Before targets are prepared.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._trains = False

    def before_train(self, runner: Runner) -> None:
        """Check the data of training and validation."""
        self._trains = True
        datasets = [runner.train_dataloader.dataset]
        if runner.val_loop is not None:
            datasets.append(runner.val_dataloader.dataset)
        fit_to_stores(runner.model, datasets)

    def before_val(self, runner: Runner) -> None:
        """Check the data of a validation without a training."""
        if not self._trains:
            fit_to_stores(runner.model, [runner.val_dataloader.dataset])

    def before_test(self, runner: Runner) -> None:
        """Check the test data."""
        fit_to_stores(runner.model, [runner.test_dataloader.dataset])


def fit_to_stores(model: nn.Module, datasets: Iterable[Dataset]) -> None:
    """Leave out the pairs that the stores of a model cannot have.

    Args:
        model: Whatever it is; its `StoredTarget` are looked at.
        datasets: Data sets of pairs; others are left alone.

    Raises:
        StoreError: If other targets are missing.
    """
    paired = [
        one
        for dataset in datasets
        for one in iter_datasets(dataset)
        if hasattr(one, 'pair_keys')
    ]
    for module in unwrapped(model).modules():
        if isinstance(module, StoredTarget):
            for dataset in paired:
                _fit(dataset, module.target_store)


def _fit(dataset: Any, store: TargetStore) -> None:  # noqa: ANN401
    """Fit a data set of pairs to a store."""
    keys = dataset.pair_keys()
    name = type(dataset).__name__
    pending, unreadable = len(store.pending(keys)), store.unreadable(keys)
    if pending > len(unreadable):
        raise StoreError(
            f'{store.folder} is not complete: {pending} of the {len(keys)} '
            f'targets of {name} are missing; run `{TOOL}` again, it goes on '
            'where it stopped'
        )
    stores = store.folder.parent
    known = store.identity.get('data')
    if known and os.path.relpath(dataset.data_root, stores) not in known:
        there = [os.path.normpath(stores / place) for place in known]
        warn(
            f'the targets in {store.folder} were computed of {there}, the '
            f'data set {name} reads {dataset.data_root}: pairs of the same '
            'name are taken for the same. Where they are not, run '
            f'`{TOOL}` and give the new store as path='
        )
    if not unreadable:
        return
    told = (
        f'{len(unreadable)} of the {len(keys)} pairs of {name} have no target '
        f'in {store.folder}, because their images could not be read: '
        f'{unreadable[:3]}'
    )
    if dataset.on_error == 'raise' or len(unreadable) == len(keys):
        raise StoreError(
            f'{told}; mend the images and run `{TOOL}` again, or set '
            "on_error='skip' in the data set's config to go on without them"
        )
    warn(f'{told}; they are left out')
    dataset.leave_out_pairs(unreadable)
