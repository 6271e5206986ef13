"""Pairs of the data, and the stores of their targets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset

from mmdet3d_act.apis.target_caching import cache_targets
from mmdet3d_act.engine.hooks import StoredTargetHook
from mmdet3d_act.models.target_generators import (
    StoredTarget,
    StoreError,
    TargetStore,
)
from tests.paired_images import MadeUpPairs, teacher_of, weights


class Pairs(MadeUpPairs):
    """Notes which pairs are left out."""

    def leave_out_pairs(self, keys: list[str]) -> None:
        self.names = [name for name in self.names if name not in keys]


def runner_of(
    root: Path, train: object, val: object | None = None
) -> SimpleNamespace:
    model = nn.Module()
    model.target = StoredTarget(root, teacher_of(weights()))
    return SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=train),
        val_dataloader=SimpleNamespace(dataset=val),
        test_dataloader=SimpleNamespace(dataset=train),
        val_loop=None if val is None else 'loop',
    )


def make(root: Path, **settings: object) -> TargetStore:
    pairs = [Pairs(**settings)]
    folder, _ = cache_targets(teacher_of(weights()), pairs, root)
    return TargetStore(folder, writable=True)


def test_validation_pairs_are_asked_for_before_the_training(
    tmp_path: Path,
) -> None:
    make(tmp_path, count=5)
    joined = ConcatDataset([Pairs(2), Pairs(3, first=2)])
    others = TensorDataset(torch.ones(1))
    StoredTargetHook().before_train(runner_of(tmp_path, joined, others))
    val = Pairs(2, first=4)
    with pytest.raises(StoreError, match=r"no target of \['scene/005'\]"):
        StoredTargetHook().before_train(runner_of(tmp_path, Pairs(5), val))
    with pytest.raises(StoreError, match='pairs of training and validation'):
        StoredTargetHook().before_val(runner_of(tmp_path, Pairs(5), val))
    with pytest.raises(StoreError, match='has no target of'):
        StoredTargetHook().before_test(runner_of(tmp_path, Pairs(6)))


def test_a_store_that_is_not_complete(tmp_path: Path) -> None:
    store = make(tmp_path, count=4)
    store._done[2] = 0
    store.flush()
    for on_error in ('raise', 'skip'):
        runner = runner_of(tmp_path, Pairs(4, on_error=on_error))
        with pytest.raises(StoreError, match='1 of the 4 targets of Pairs'):
            StoredTargetHook().before_train(runner)


def test_pairs_whose_image_could_not_be_read(tmp_path: Path) -> None:
    broken = dict(broken=('scene/001',), on_error='skip')
    make(tmp_path, count=3, **broken)
    pairs = Pairs(3, **broken)
    StoredTargetHook().before_train(runner_of(tmp_path, pairs))
    assert pairs.names == ['scene/000', 'scene/002']
    with pytest.raises(StoreError, match=r"1 of the 3 pairs .*'skip'"):
        StoredTargetHook().before_train(runner_of(tmp_path, Pairs(3)))
    nothing = Pairs(1, first=1, **broken)
    with pytest.raises(StoreError, match='1 of the 1 pairs'):
        StoredTargetHook().before_train(runner_of(tmp_path, nothing))
