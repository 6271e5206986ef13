"""Processes that work for a tool, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
import signal, time
# A shell that starts the tests in the background ignores it for all of them.
signal.signal(signal.SIGINT, signal.default_int_handler)
def work(place):
    open(place, 'w').close()
    time.sleep(60)
from mmdet3d_act.engine.failures import run_tool
from mmdet3d_act.processes import work_off
if __name__ == '__main__':
    def main():
        for _ in work_off(work, {places!r}, 2):
            pass
    raise SystemExit(run_tool(main, kept='what is done is kept'))
"""


def test_workers_are_quiet(tmp_path: Path) -> None:
    """Interrupted as by a terminal: all processes of the group at once."""
    places = [str(tmp_path / name) for name in 'ab']
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT.format(places=places))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not all(map(os.path.exists, places)):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said.strip() == 'interrupted; what is done is kept'
    assert process.returncode == 130
