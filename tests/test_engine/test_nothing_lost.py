"""Kills, signals, full disks and NaN: what is saved stays and is finite."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmdet3d_act import compat
from mmdet3d_act.checkpoint import find_checkpoint, read_checkpoint
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import NonFiniteError, run_tool
from mmdet3d_act.engine.hooks import FiniteCheckHook
from mmdet3d_act.engine.hooks.atomic_checkpoint_hook import AtomicBackend
from tests.test_engine.toy import ROOT, write_config
from tests.test_tools.loading import run_script

NUMBERS = count()
VALIDATION = dict(
    val_dataloader=dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='ToyPoints', length=6),
    ),
    val_evaluator=dict(type='ToyMean'),
    val_cfg=dict(),
)


@HOOKS.register_module()
class ToyAct(Hook):
    """Does something after an iteration of the training."""

    priority = 'VERY_HIGH'

    def __init__(self, at_iter: int, what: str) -> None:
        self.at_iter, self.what = at_iter, what

    def after_train_iter(self, runner, batch_idx, **_):
        if runner.iter + 1 == self.at_iter:
            if self.what == 'SIGTERM':
                os.kill(os.getpid(), signal.SIGTERM)
            elif self.what == 'SIGTERM to all':
                os.killpg(os.getpgid(0), signal.SIGTERM)
                time.sleep(1)
            else:
                parameter = next(runner.model.parameters())
                parameter.data.fill_(torch.nan)


@pytest.fixture(autouse=True)
def _safe_loading():
    compat.allow_mmengine_checkpoints()
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def make_config(folder: Path, **changes: object) -> Config:
    folder.mkdir(exist_ok=True)
    cfg = Config.fromfile(write_config(folder))
    cfg.launcher, cfg.work_dir = 'none', str(folder / 'run')
    cfg.experiment_name = f'nothing_lost_{next(NUMBERS)}'
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    cfg.train_cfg.max_epochs = 3
    cfg.merge_from_dict(changes)
    return cfg


def act(at_iter: int, what: str) -> list[dict]:
    seeds = dict(type='IterationSeedHook')
    return [seeds, dict(type='ToyAct', at_iter=at_iter, what=what)]


def run(cfg: Config) -> dict[str, torch.Tensor]:
    return launch.build_runner(cfg).train().state_dict()


@pytest.mark.parametrize('moment', ['write', 'rename'])
def test_a_kill_while_saving_keeps_the_checkpoint_before(
    tmp_path, monkeypatch, moment
):
    calls = []

    def killed(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    if moment == 'write':
        monkeypatch.setattr(os, 'fsync', killed)
    else:
        monkeypatch.setattr(Path, 'replace', killed_replace(killed))
    with pytest.raises(KeyboardInterrupt):
        run(make_config(tmp_path))
    monkeypatch.undo()
    assert find_checkpoint(tmp_path / 'run').name == 'epoch_1.pth'
    assert [p.name for p in (tmp_path / 'run').glob('*.pth*')] == [
        'epoch_1.pth'
    ]
    resumed = run(make_config(tmp_path, resume=True))
    straight = run(make_config(tmp_path / 'other'))
    assert all(torch.equal(resumed[k], straight[k]) for k in straight)
    assert [p.name for p in (tmp_path / 'run').glob('*.pth')] == [
        'epoch_3.pth'
    ]


def killed_replace(killed):
    replace = Path.replace

    def inner(self: Path, target: Path) -> Path:
        if target.suffix == '.pth':
            killed()
        return replace(self, target)

    return inner


def test_a_full_disk_keeps_the_checkpoint_before(
    tmp_path, monkeypatch, capsys
):
    calls = []

    def full(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    assert run_tool(lambda: run(make_config(tmp_path))) == 2
    assert 'the disk is full' in capsys.readouterr().err
    assert find_checkpoint(tmp_path / 'run').name == 'epoch_1.pth'


def test_a_replaced_file_is_not_deleted(tmp_path):
    backend, path = AtomicBackend(), tmp_path / 'best.pth'
    backend.put(b'old', path)
    with backend.deleting_last():
        backend.remove(path)
        backend.put(b'new', path)
        assert path.read_bytes() == b'new'
    assert path.read_bytes() == b'new'


def test_the_best_checkpoint_is_replaced(tmp_path):
    best = {'default_hooks.checkpoint.save_best': 'mean'}
    rule = {'default_hooks.checkpoint.rule': 'greater'}
    run(
        make_config(
            tmp_path,
            **VALIDATION,
            **best,
            **rule,
            **{'train_cfg.val_interval': 1},
        )
    )
    assert len(list((tmp_path / 'run').glob('best_*.pth'))) == 1


def test_the_first_loss_that_is_no_number_ends_the_training(tmp_path):
    cfg = make_config(tmp_path, custom_hooks=act(6, 'NaN'))
    with pytest.raises(NonFiniteError, match=r'iteration 7: .*loss nan'):
        run(cfg)
    assert find_checkpoint(tmp_path / 'run').name == 'epoch_1.pth'


def test_no_weights_are_saved_that_are_no_number(tmp_path):
    cfg = make_config(tmp_path, custom_hooks=act(8, 'NaN'))
    with pytest.raises(NonFiniteError, match='weight is not finite'):
        run(cfg)
    assert find_checkpoint(tmp_path / 'run').name == 'epoch_1.pth'


def test_steps_without_finite_gradients_can_be_left_out(tmp_path):
    hook = FiniteCheckHook(max_skipped=2)
    cfg = make_config(tmp_path)
    cfg.custom_hooks.append(dict(type='ToyPoison', iters=[2, 3, 6]))
    runner = launch.build_runner(cfg)
    runner._hooks = [h for h in runner.hooks if type(h) is not type(hook)]
    runner.register_hook(hook)
    model = runner.train()
    assert all(torch.isfinite(p).all() for p in model.parameters())
    cfg = make_config(tmp_path)
    cfg.custom_hooks += [
        dict(type='ToyPoison', iters=[2, 3, 4]),
        dict(type='FiniteCheckHook', max_skipped=2),
    ]
    with pytest.raises(NonFiniteError, match='iteration 4'):
        run(cfg)


@HOOKS.register_module()
class ToyPoison(Hook):
    """Makes the gradients of some iterations no numbers."""

    def __init__(self, iters: list[int]) -> None:
        self.iters = iters

    def before_train(self, runner):
        for parameter in runner.model.parameters():
            parameter.register_hook(
                lambda grad: (
                    grad * torch.nan if runner.iter + 1 in self.iters else grad
                )
            )


@pytest.mark.parametrize('at_iter', [6, 8])
def test_sigterm_saves_and_the_resumed_run_ends_in_the_same_weights(
    tmp_path, monkeypatch, at_iter
):
    validated = {**VALIDATION, 'train_cfg.val_interval': 1}
    cfg = make_config(
        tmp_path, custom_hooks=act(at_iter, 'SIGTERM'), **validated
    )
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        launch.start_training(launch.build_runner(cfg))
    assert end.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert find_checkpoint(tmp_path / 'run').name == 'preempted.pth'
    runner = launch.build_runner(
        make_config(tmp_path, resume=True, **validated)
    )
    done = []
    monkeypatch.setattr(
        type(runner.val_loop),
        'run',
        counted(type(runner.val_loop).run, done, runner),
    )
    resumed = runner.train().state_dict()
    # None in the middle of an epoch, and none twice.
    assert done == [2, 3]
    straight = run(make_config(tmp_path / 'other'))
    assert all(torch.equal(resumed[k], straight[k]) for k in straight)


JOB = """
import sys
from pathlib import Path
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import run_tool
from tests.test_engine import test_nothing_lost as here
cfg = here.make_config(
    Path(sys.argv[1]), custom_hooks=here.act(6, 'SIGTERM to all'))
cfg.train_dataloader.num_workers = 1
sys.exit(run_tool(lambda: launch.start_training(launch.build_runner(cfg))))
"""


def test_sigterm_may_reach_the_workers_too(tmp_path):
    command = [sys.executable, '-c', JOB, str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, start_new_session=True, timeout=300
    )
    assert done.returncode == 0
    assert find_checkpoint(tmp_path / 'run').name == 'preempted.pth'


@pytest.mark.parametrize('processes', [1, 2])
def test_sigterm_in_a_validation_ends_all_processes(tmp_path, processes):
    said = f"""
train_cfg.update(val_interval=1)
default_hooks['checkpoint'].update(interval=2)
val_dataloader = {VALIDATION['val_dataloader']}
val_evaluator, val_cfg = dict(type='ToyEndless'), dict()
"""
    config = write_config(tmp_path, said)
    run = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node']
    tool = [str(ROOT / 'tools/train.py'), str(config), '--work-dir', 'run']
    launch = [*run, str(processes), *tool, '--launcher', 'pytorch']
    done = run_script(
        tmp_path, sys.executable, *(launch if processes > 1 else tool)
    )
    assert done.returncode == 0, done.stderr
    assert 'saved after iteration' in done.stdout + done.stderr
    found = find_checkpoint(tmp_path / 'run')
    assert found.name == 'preempted.pth'
    # The epoch is done, its validation is not.
    assert read_checkpoint(str(found))['meta']['epoch'] == 1
    assert not (tmp_path / 'run' / 'last_validation.json').exists()


def test_a_training_ends_though_its_workers_would_not(tmp_path):
    readers = 'num_workers=1, persistent_workers=True'
    said = f"""
train_cfg.update(val_interval=1)
train_dataloader.update({readers})
val_dataloader = dict({VALIDATION['val_dataloader']}, {readers})
val_evaluator, val_cfg = dict(type='ToyMean'), dict()
"""
    config = write_config(tmp_path, said)
    tool = [str(ROOT / 'tools/train.py'), str(config), '--work-dir', 'run']
    done = run_script(tmp_path, sys.executable, *tool)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.count('Traceback')


def test_a_validation_that_was_killed_is_made_up_for(tmp_path, monkeypatch):
    changes = {**VALIDATION, 'train_cfg.val_interval': 2}
    runner = launch.build_runner(make_config(tmp_path, **changes))
    monkeypatch.setattr(
        type(runner.val_loop.evaluator),
        'evaluate',
        lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    monkeypatch.undo()
    runner = launch.build_runner(make_config(tmp_path, **changes, resume=True))
    done = []
    monkeypatch.setattr(
        type(runner.val_loop),
        'run',
        counted(type(runner.val_loop).run, done, runner),
    )
    runner.train()
    assert done == [2, 3]
    runner = launch.build_runner(make_config(tmp_path, **changes, resume=True))
    runner.train()
    assert done == [2, 3]


def counted(run_loop, done: list, runner):
    def inner(self) -> dict:
        done.append(runner.epoch)
        return run_loop(self)

    return inner
