"""The report of tools/doctor.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_tools.loading import TOOLS, load_tool

doctor = load_tool('doctor')


def test_healthy_environment(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', '/nowhere')
    assert doctor.main() == 0
    # Lines are wrapped anywhere.
    output = ' '.join(capsys.readouterr().out.split())
    assert 'PyTorch 2' in output
    assert 'timm 1' in output
    assert 'BROKEN' not in output


def test_data_sets(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scannet = tmp_path / 'scannet'
    (scannet / 'points').mkdir(parents=True)
    (scannet / 'points' / 'scene0000_00.bin').touch()
    (scannet / 'scannet_infos_train.pkl').touch()
    doctor.check_data(tmp_path)
    output = capsys.readouterr().out
    assert 'scannet is incomplete: no scannet_infos_val.pkl' in output
    (scannet / 'scannet_infos_val.pkl').touch()
    doctor.check_data(tmp_path)
    assert 'ok      scannet: 1 points/*.bin' in capsys.readouterr().out


def test_runs_where_nothing_is_installed() -> None:
    """A Python with pip alone gets a report, not a traceback."""
    code = (
        'import sys; sys.modules.update(torch=None, mmcv=None);'
        'import runpy; runpy.run_path(sys.argv.pop(), run_name="__main__")'
    )
    done = subprocess.run(
        [sys.executable, '-I', '-c', code, str(TOOLS / 'doctor.py')],
        capture_output=True,
        text=True,
    )
    assert 'Traceback' not in done.stderr
    assert 'Python 3' in done.stdout
