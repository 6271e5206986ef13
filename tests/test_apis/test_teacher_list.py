"""mmdet3d-act teachers with a made-up data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from mmdet3d_act.models.teachers import catalog, language_teacher
from mmdet3d_act_cli import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one teacher's tiny file; empty caches."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(language_teacher, 'MINILM_PACKAGE', 'none_such')
    path = tmp_path / 'teachers' / 'deit_small_distilled_patch16_224.pth'
    path.parent.mkdir()
    torch.save({'x': torch.zeros(1000)}, path)
    return tmp_path


def test_available(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(['teachers', '--available']) == 0
    output = capsys.readouterr().out
    path = root / 'teachers' / 'deit_small_distilled_patch16_224.pth'
    assert f'{path}, 0.0 MB' in output
    assert f'1 of {len(catalog.CATALOG)} teachers' in output
    assert 'here    deit-s ' in output
    assert 'absent' not in output


def test_whole_list(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(['teachers']) == 0
    output = capsys.readouterr().out
    for entry in catalog.CATALOG:
        assert f' {entry.key} ' in output
        assert entry.source.hub_id in output or entry.key == 'deit-s'
    assert output.count('absent  ') == len(catalog.CATALOG) - 1
    assert 'about 90 MB' not in output  # of the one that is here
    assert 'from FacebookAI/roberta-base, about 499 MB' in output


def test_search(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(['teachers', '--search', 'deit_small_dist*']) == 0
    output = capsys.readouterr().out
    assert 'runs    deit_small_distilled_patch16_224: 384 x 12, 21.3' in output
    assert f'weights here: {root}' in output
    assert main(['teachers', '--search', 'resnet18']) == 0
    assert 'refused resnet18: ' in capsys.readouterr().out
    assert main(['teachers', '--search', 'no-such-*']) == 1
    assert 'no model' in capsys.readouterr().out
    # By the name of weights too, and of those on this machine only.
    assert main(['teachers', '--search', 'deit_tiny_patch16_224.fb_in1k']) == 0
    output = capsys.readouterr().out
    assert 'runs    deit_tiny_patch16_224.fb_in1k: 192 x 12' in output
    assert main(['teachers', '--search', 'deit_*', '--available']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum('runs' in line for line in lines) == 1
    assert main(['teachers', '--search', 'resnet18', '--available']) == 1
    assert 'with weights on this machine' in capsys.readouterr().out
