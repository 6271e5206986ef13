"""Targets and their statistics, computed before the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.models.autoencoders import DiscreteVAE
from tests.test_engine.distilling import (
    NUM_CLOUDS,
    ROOT,
    write_distillation,
)
from tests.test_models import toys
from tests.test_tools.loading import run_script

NORM = 'objectives.act.target_norm.'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_distillation(tmp_path)
    return tmp_path


def run(work_dir: str, seed: int = 0, **options: object) -> dict:
    cfg = prepare_config('distil.py', work_dir, seed=seed, options=options)
    train(cfg)
    return saved(Path(work_dir))


def saved(work_dir: Path, rank: int = 0) -> dict:
    return torch.load(work_dir / f'rank{rank}.pth', weights_only=True)


def statistics(known: dict) -> dict:
    return {
        key: known['weights'][NORM + key]
        for key in ('mean', 'transform', 'fitted')
    }


def count_encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the batch of every encoding of an autoencoder."""
    calls, original = [], DiscreteVAE.encode

    def encode(self, patches, **options):
        calls.append(len(patches.centers))
        return original(self, patches, **options)

    monkeypatch.setattr(DiscreteVAE, 'encode', encode)
    return calls


def test_targets_of_all_clouds_once_before_training(folder, monkeypatch):
    calls = count_encodings(monkeypatch)
    known = run('one', **{'train_cfg.max_epochs': 2})
    # Three clouds a batch of the hook's own loader, nothing while training.
    assert calls == [3, 3, 2]
    assert sorted(known['targets']) == list(range(NUM_CLOUDS))
    targets = torch.stack([known['targets'][i] for i in range(NUM_CLOUDS)])
    assert targets.shape == (NUM_CLOUDS, toys.NUM_GROUPS, toys.DIMS)
    flat = targets.flatten(0, 1).double()
    assert flat.std(dim=0).mean() > 0.1
    toys.assert_close(
        statistics(known)['mean'].double(), flat.mean(dim=0), 1e-4
    )
    assert bool(statistics(known)['fitted'])


def test_two_processes_know_the_same(folder):
    alone = run('alone')
    script = str(ROOT / 'tools' / 'dist_train.sh')
    options = ('--work-dir', 'two')
    done = run_script(folder, 'bash', script, 'distil.py', '2', *options)
    assert done.returncode == 0, done.stderr
    # 8 clouds, 2 a step and process.
    assert 'Epoch(train) [1][2/2]' in done.stdout
    first, second = (saved(folder / 'two', rank) for rank in range(2))
    assert sorted(first['targets']) == list(range(NUM_CLOUDS))
    for part in ('targets', 'centers', 'weights'):
        # Running statistics are each process's own.
        one, other = (
            {k: v for k, v in known[part].items() if 'running' not in str(k)}
            for known in (first, second)
        )
        assert toys.same(one, other), part
    # One process knows the same before it takes other steps.
    assert toys.same(alone['centers'], first['centers'])
    for index, target in alone['targets'].items():
        toys.assert_close(first['targets'][index], target)
    toys.assert_close(statistics(first)['mean'], statistics(alone)['mean'])
    assert not toys.same(alone['weights'], first['weights'])


def test_resumed_run_keeps_the_statistics(folder, monkeypatch):
    run('one')
    path = folder / 'one' / 'epoch_1.pth'
    state = torch.load(path, weights_only=True)
    assert not any('targets' in name for name in state['state_dict'])
    state['state_dict'][NORM + 'mean'] += 5.0
    kept = {
        key: state['state_dict'][NORM + key].clone()
        for key in ('mean', 'transform', 'fitted')
    }
    torch.save(state, path)
    calls = count_encodings(monkeypatch)
    options = {
        'train_cfg.max_epochs': 2,
        'resume': True,
        'load_from': str(path),
    }
    known = run('two', **options)
    assert calls == [3, 3, 2]
    assert sorted(known['targets']) == list(range(NUM_CLOUDS))
    assert toys.same(statistics(known), kept)
