"""Processes that work for a tool, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Both kinds of pools that the tools have; ready when the workers sleep.
POOLS = {
    'synthetic': """
from mmdet3d_act.synthetic.file_set import work_off
def steps(tasks):
    return work_off(work, tasks, 2)
""",
    'converters': """
import sys
sys.path.insert(0, 'tools/dataset_converters')
import scannet_frames
scannet_frames.export_scene = work
def steps(tasks):
    return scannet_frames.iter_exported(tasks, 2)
""",
}
SCRIPT = """
import signal, time
# A shell that starts the tests in the background ignores it for all of them.
signal.signal(signal.SIGINT, signal.default_int_handler)
def work(place):
    open(place, 'w').close()
    time.sleep(60)
{pool}
from mmdet3d_act.engine.failures import run_tool
if __name__ == '__main__':
    def main():
        for _ in steps({places!r}):
            pass
    raise SystemExit(run_tool(main, kept='what is done is kept'))
"""


@pytest.mark.parametrize('pool', POOLS)
def test_workers_are_quiet(tmp_path: Path, pool: str) -> None:
    """Interrupted as by a terminal: all processes of the group at once."""
    places = [str(tmp_path / name) for name in 'ab']
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT.format(pool=POOLS[pool], places=places))
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
