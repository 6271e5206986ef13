"""Running commands for the set-up, and telling what they said."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.test_tools.loading import load_tool

setup_common = load_tool('setup_common')

SetupError = setup_common.SetupError


def test_failure_shows_the_end_of_the_log(tmp_path):
    code = 'print("first line\\nlast words"); raise SystemExit(3)'
    log = tmp_path / 'log'
    with pytest.raises(SetupError, match=r'(?s)exit code 3.*last words'):
        setup_common.run_logged([sys.executable, '-c', code], log, 'doing it')


def test_failure_shows_only_this_commands_output(tmp_path):
    log = tmp_path / 'log'
    log.write_text('Temporary failure in name resolution\n')
    command = [sys.executable, '-c', 'raise SystemExit(1)']
    with pytest.raises(SetupError) as raised:
        setup_common.run_logged(command, log, 'doing it')
    assert 'network' not in str(raised.value)


def test_interrupt_ends_what_the_command_started(tmp_path, monkeypatch):
    # A shell whose child would go on after it, as compilers do below pip.
    pid_file = tmp_path / 'pid'
    script = f'sleep 60 & echo $! > {pid_file}; wait'

    def interrupt(process, log):
        while not (pid_file.exists() and pid_file.read_text().strip()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_common, '_follow', interrupt)
    with pytest.raises(KeyboardInterrupt):
        setup_common.run_logged(['sh', '-c', script], tmp_path / 'log', 'it')
    stat = Path(f'/proc/{pid_file.read_text().strip()}/stat')
    deadline = time.monotonic() + 30
    while is_running(stat) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(stat)


def is_running(stat: Path) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return stat.read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_last_line_of_a_log(tmp_path):
    log = tmp_path / 'log'
    log.write_bytes(b'one\n  two\r three  \n\nWARNING: empty folder\n')
    assert setup_common.last_line(log) == 'three'


def test_pip_command_keeps_paths_with_blanks():
    command = setup_common.pip_command(
        Path('/a b/python'), 'install --no-deps', ['/c d/x.whl']
    )
    assert command[0] == '/a b/python'
    assert command[-3:] == ['install', '--no-deps', '/c d/x.whl']
