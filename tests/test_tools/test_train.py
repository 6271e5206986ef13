"""tools/train.py and tools/dist_train.sh on a toy config."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch

from mmdet3d_act import compat
from mmdet3d_act.engine.failures import run_tool
from tests.test_engine.toy import ROOT, write_config
from tests.test_models import toys
from tests.test_tools.loading import load_tool, run_script

NUMBERS = count()


def run_here(name: str, *args: str) -> int:
    """Run a tool in this process; spares seconds of imports."""
    # MMEngine keeps a logger for every experiment name of a process.
    unique = f'experiment_name=tool_{next(NUMBERS)}'
    if '--cfg-options' not in args:
        args = (*args, '--cfg-options')
    tool = load_tool(name)
    run: Callable = getattr(tool, name)
    parsed = tool.parse_args([*args, unique])
    return run_tool(lambda: run(parsed))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A work folder, with the allow-list for MMEngine's checkpoints."""
    monkeypatch.chdir(tmp_path)
    compat.allow_mmengine_checkpoints()
    return tmp_path


def weights(epoch: int) -> dict[str, torch.Tensor]:
    path = Path('work_dirs') / 'toy' / f'epoch_{epoch}.pth'
    return torch.load(path, map_location='cpu', weights_only=True)[
        'state_dict'
    ]


def test_trains_resumes_and_says_where(folder, capsys, monkeypatch):
    monkeypatch.setattr(compat, 'cpu_computes_bfloat16', lambda: True)
    write_config(folder)
    arguments = ('toy.py', '--auto-scale-lr')
    assert run_here('train', *arguments, '--seed', '3') == 0
    checkpoint = folder / 'work_dirs' / 'toy' / 'epoch_2.pth'
    out = capsys.readouterr().out
    assert f'Checkpoint: {checkpoint}' in out
    # The rate of 0.01 is for 8 samples a step, there are 4.
    assert 'lr: 5.0000e-03' in out

    assert run_here('train', *arguments, '--resume') == 0
    said = 'epoch_2.pth is already at epoch 2 of 2, nothing to train; a larger'
    assert said in capsys.readouterr().out

    three = ('--cfg-options', 'train_cfg.max_epochs=3')
    assert run_here('train', *arguments, '--resume', '--amp', *three) == 0
    out = capsys.readouterr().out
    assert 'resumed epoch: 2' in out
    # The seed of the checkpoint goes on, 0 is the config's.
    assert 'seed in the checkpoint "3"' in out
    assert 'dtype_bits: 16' in out
    assert 'Epoch(train) [1]' not in out
    # Half of it, as a cosine over 4 epochs is after 2.
    assert 'lr: 2.5000e-03' in out
    assert not toys.same(weights(2), weights(3))


def test_missing_things_are_said_once_for_all_processes(tmp_path):
    write_config(tmp_path, "model.update(needs='nowhere/teacher.pth')\n")
    script = str(ROOT / 'tools' / 'dist_train.sh')
    result = run_script(tmp_path, 'bash', script, 'toy.py', '2')
    assert result.returncode == 2
    assert result.stderr.count('touch nowhere/teacher.pth') == 1
    assert 'Traceback' not in result.stderr


def test_two_processes_share_gradients(tmp_path):
    write_config(
        tmp_path,
        "custom_hooks = [dict(type='ToyDump')]\n"
        'train_cfg.update(max_epochs=1)\n',
    )
    script = str(ROOT / 'tools' / 'dist_train.sh')
    result = run_script(tmp_path, 'bash', script, 'toy.py', '2')
    assert result.returncode == 0, result.stderr
    saved = [
        torch.load(
            tmp_path / 'work_dirs' / 'toy' / f'rank{rank}.pth',
            weights_only=True,
        )
        for rank in range(2)
    ]
    # Losses and running means are each process's own.
    first, second = (
        {k: v for k, v in state.items() if 'running' not in k}
        for state in saved
    )
    assert toys.same(first, second)
    # 16 samples, 4 a step and process.
    assert 'Epoch(train) [1][2/2]' in result.stdout
    losses = torch.stack([state['running_losses'] for state in saved])
    assert f'loss: {losses.mean():.4f}' in result.stdout
    assert losses[0].mean() != losses[1].mean()


def test_options_keep_their_blanks(folder):
    write_config(folder)
    pairs = [
        'root=/x/my (old) scans',
        'classes=[night stand, "bed"]',
        'n=1, 2',
    ]
    args = load_tool('train').parse_args(['toy.py', '--cfg-options', *pairs])
    assert args.cfg_options == dict(
        root='/x/my (old) scans', classes=['night stand', 'bed'], n=[1, 2]
    )
