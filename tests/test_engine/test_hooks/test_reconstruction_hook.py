"""Pictures during a training, which does not notice them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.apis import prepare_config, train
from tests.test_engine.distilling import write_distillation
from tests.test_engine.toy import write_config
from tests.test_models import toys


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_distillation(tmp_path)
    return tmp_path


def run(work_dir: str, hook: dict | None, seed: int = 0) -> dict:
    """Train the small distillation and return the weights."""

    def adapt(cfg):
        if hook is not None:
            cfg.custom_hooks.append(dict(type='ReconstructionHook', **hook))

    cfg = prepare_config('distil.py', work_dir, seed=seed, adapt=adapt)
    return torch.load(train(cfg), weights_only=True)['state_dict']


def names(work_dir: str) -> list[str]:
    found = (Path(work_dir) / 'reconstructions').glob('*.png')
    return sorted(path.name for path in found)


def test_training_with_and_without_it_gives_the_same_weights(folder) -> None:
    plain = run('plain', None)
    epochs = run('epochs', dict(interval=1, num_samples=2))
    assert toys.same(plain, epochs)
    assert not toys.same(plain, run('other', None, seed=1))
    assert names('plain') == []
    assert names('epochs') == ['epoch_0.png', 'epoch_1.png']
    first, last = (
        np.asarray(Image.open(f'epochs/reconstructions/{name}')).astype(int)
        for name in names('epochs')
    )
    # Six columns; the first three do not depend on the weights.
    known = first.shape[1] // 2
    assert (first[:300, :known] == last[:300, :known]).all()
    assert (first[:, known:] != last[:, known:]).any()


def test_a_model_that_cannot_be_drawn_is_refused_at_once(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hook = "custom_hooks = [dict(type='ReconstructionHook')]\n"
    write_config(tmp_path, hook)
    with pytest.raises(ValueError, match='got ToyRegressor'):
        train(prepare_config('toy.py', 'here'))
