"""A training that is killed and resumed ends in the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmdet3d_act import compat
from mmdet3d_act.engine import launch
from tests.test_engine.toy import write_config

EPOCHS = 4
# 4 iterations an epoch; the temperature changes until iteration 13 of 16.
HOOKS = """
custom_hooks = [
    dict(type='IterationSeedHook'),
    dict(type='ScheduledValueHook', attribute='temperature',
         schedule=dict(start=1, end=0.1, fraction=0.8)),
]
"""


@pytest.fixture(autouse=True)
def _allow_list():
    compat.allow_mmengine_checkpoints()


def config(folder: Path, name: str, extra: str = '') -> Config:
    cfg = Config.fromfile(write_config(folder, HOOKS + extra))
    cfg.work_dir = str(folder / name)
    cfg.experiment_name = f'{folder.name}_{name}'
    cfg.train_cfg.max_epochs = EPOCHS
    cfg.launcher = 'none'
    return cfg


def train(cfg: Config) -> dict[str, torch.Tensor]:
    runner = Runner.from_cfg(cfg)
    runner.train()
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


def same(first: dict, second: dict) -> bool:
    return all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize('workers', [0, 1])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, workers):
    loader = f'train_dataloader.update(num_workers={workers})\n'
    whole = train(config(tmp_path, 'whole', loader))
    cfg = config(tmp_path, 'killed', loader)
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='ToyKill', at_iter=10)]
    with pytest.raises(InterruptedError, match='killed at iteration 10'):
        train(cfg)
    # What happens to be drawn in between must not matter.
    torch.manual_seed(99)
    cfg = config(tmp_path, 'killed', loader)
    launch.set_resume(cfg, 'auto')
    assert Path(cfg.load_from).name == 'epoch_2.pth'
    assert same(whole, train(cfg))


def test_a_compiled_training_ends_in_the_same_weights(tmp_path):
    """The temperature changes at every step: it is no constant of a graph."""
    plain = launch.build_runner(config(tmp_path, 'plain')).train()
    cfg = config(tmp_path, 'compiled')
    cfg.compile = dict(backend='eager', fullgraph=True)
    compiled = launch.build_runner(cfg).train()
    assert same(plain.state_dict(), compiled.state_dict())


def test_it_takes_the_seed_hook_and_the_seed(tmp_path):
    whole = train(config(tmp_path, 'whole'))
    cfg = config(tmp_path, 'other_seed')
    launch.set_seed(cfg, 1)
    assert not same(whole, train(cfg))
    cfg = config(tmp_path, 'unseeded')
    cfg.custom_hooks = cfg.custom_hooks[1:]
    assert not same(whole, train(cfg))


def run(cfg: Config) -> tuple[Runner, list[float]]:
    """Train as the tool does; return the runner and every step's rate."""
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='ToyRates')]
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    runner = launch.build_runner(cfg)
    runner.train()
    hook = next(h for h in runner.hooks if type(h).__name__ == 'ToyRates')
    return runner, hook.rates


SCHEDULE = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, begin=0, end=2,
         convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=2),
]  # fmt: skip


@pytest.mark.parametrize('steps', [True, False], ids=['steps', 'epochs'])
@pytest.mark.parametrize('batch_size', [4, 8])
def test_another_length_has_its_own_schedule(tmp_path, batch_size, steps):
    def scheduled(name: str, epochs: int, batch_size: int) -> Config:
        cfg = config(tmp_path, name)
        cfg.train_cfg.max_epochs = epochs
        cfg.train_dataloader.batch_size = batch_size
        cosine = dict(T_max=epochs - 2, end=epochs)
        cosine['convert_to_iter_based'] = steps
        cfg.param_scheduler = [SCHEDULE[0], SCHEDULE[1] | cosine]
        return cfg

    run(scheduled('short', 4, 4))
    cfg = scheduled('short', 8, batch_size)
    launch.set_resume(cfg, 'auto')
    runner, rates = run(cfg)
    whole_runner, whole = run(scheduled('whole', 8, batch_size))
    assert rates == pytest.approx(whole[len(whole) // 2 :], rel=1e-6)
    assert runner.iter == whole_runner.iter
    assert runner.model.temperature == whole_runner.model.temperature
