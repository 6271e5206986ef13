"""Import and run the scripts of ``tools/``, which are no package."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def load_tool(name: str) -> ModuleType:
    """Import ``tools/<name>.py``; what it imports later is found, too."""
    folders = [str(TOOLS), str(TOOLS / 'dataset_converters')]
    sys.path[:0] = folders
    try:
        return importlib.import_module(name)
    finally:
        # Last: "test" is a package of Python's too.
        for folder in folders:
            sys.path.remove(folder)
            if folder not in sys.path:
                sys.path.append(folder)


def run_script(folder: Path, *command: str) -> subprocess.CompletedProcess:
    """Run a command in a folder that is not the checkout's, without GPUs."""
    env = {
        **os.environ,
        'PYTHONPATH': str(TOOLS.parent),
        'PYTHON': sys.executable,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
