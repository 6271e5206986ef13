"""Make the environment of this checkout: ``make setup``.

Creates ``.venv``, installs ``requirements/lock.txt`` by uv, MMCV with its
operations (see setup_mmcv.py) and this package, editable. Nothing outside
the checkout and the user's cache is touched. A second call finds everything
in place; an interrupted one goes on. ``ACT_TORCH=cpu`` takes PyTorch's CPU
wheels: 2.5 GB less, for machines without a GPU.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import setup_mmcv

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
LOG = VENV / 'setup.log'
STATE = VENV / 'setup-state.json'
CPU_WHEELS = os.environ.get('ACT_TORCH') == 'cpu'
UV = 'uv==0.13.9'
CUDA_ONLY = re.compile(r'(nvidia-|cuda-|triton)')
INPUTS = ('requirements/lock.txt', 'requirements/lock-mmcv.txt', 'setup.py')
INPUTS += ('pyproject.toml', 'tools/setup_env.py', 'tools/setup_mmcv.py')
CHECK = """
import cv2, h5py, mmdet, mmdet3d, sklearn, timm, torchvision, transformers
import mmdet3d_act
"""


def run(
    command: Sequence[str], what: str, environment: Mapping[str, str] = {}
) -> None:
    """Run a command with its output in the log and a line of progress."""
    start = time.monotonic()
    with LOG.open('ab') as stream:
        stream.write(f'\n$ {" ".join(command)}\n'.encode())
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            time.sleep(0.1)
            seconds = time.monotonic() - start
            if int(seconds * 10) % 150 == 149:
                lines = LOG.read_text(errors='replace').split()
                step = [x for x in lines if re.fullmatch(r'\[\d+/\d+\]', x)]
                last = step[-1] if step else ''
                print(f'      {seconds:.0f} s {last}', flush=True)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode != 0:
        tail = LOG.read_text(errors='replace').splitlines()[-15:]
        raise RuntimeError(
            f'{what} failed (log: {LOG}):\n  ' + '\n  '.join(tail) + '\nIf '
            'the network or a mirror is the reason (UV_DEFAULT_INDEX, '
            'PIP_INDEX_URL), mend it and run the same command again.'
        )


def uv(*arguments: str, what: str) -> None:
    """Run ``uv pip`` on the environment.

    Without bytecode, where PYTHONDONTWRITEBYTECODE is set as in many
    containers, every start would compile the packages anew: 20 s in place
    of 9 to the first step.
    """
    command = [str(VENV / 'bin' / 'uv'), 'pip', *arguments]
    run([*command, '--compile-bytecode', '--python', str(PYTHON)], what)


def pins() -> dict[str, str]:
    """Return version by name of the lock's packages that are wanted."""
    text = (ROOT / 'requirements' / 'lock.txt').read_text()
    found = dict(re.findall(r'^([\w.-]+)==(\S+)', text, re.MULTILINE))
    if CPU_WHEELS:
        found = {k: v for k, v in found.items() if not CUDA_ONLY.match(k)}
    return found


def fingerprint() -> str:
    """Return a hash of everything that a finished set-up depends on."""
    digest = hashlib.sha256(f'{ROOT} {shutil.which("nvcc")}'.encode())
    for name in ('ACT_MMCV_CUDA', 'ACT_TORCH', 'CUDA_HOME'):
        digest.update(f'{name}={os.environ.get(name)}'.encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_complete() -> bool:
    """Return whether a finished set-up still holds."""
    try:
        if json.loads(STATE.read_text()) != {'done': fingerprint()}:
            return False
        site = next(VENV.glob('lib/python*/site-packages'))
    except (OSError, ValueError, StopIteration):
        return False
    found = {
        re.sub(r'[-_.]+', '-', each.metadata['Name'] or '').lower()
        for each in distributions(path=[str(site)])
    }
    return {*pins(), 'mmdet3d-act'} <= found and any(
        name in found for name in ('mmcv', 'mmcv-lite')
    )


def create_environment() -> None:
    """Make ``.venv`` with uv in it; refuse one that is not ours."""
    mark = VENV / 'made-by-mmdet3d_act'
    if VENV.is_dir() and any(VENV.iterdir()) and not mark.exists():
        raise RuntimeError(
            f'{VENV} was not made by make setup; move it away and run the '
            'same command again'
        )
    probe = f'import pip, sys; assert sys.prefix == {str(VENV)!r}'
    works = (
        PYTHON.exists()
        and not subprocess.run(
            [str(PYTHON), '-c', probe], capture_output=True
        ).returncode
    )
    if not works:
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        mark.touch()
        command = [sys.executable, '-m', 'venv', str(VENV)]
        run(command, 'python3.11 -m venv (Debian, Ubuntu: python3.11-venv)')
    run([str(PYTHON), '-m', 'pip', 'install', '-q', UV], 'installing uv')


def install_lock(again: bool) -> None:
    """Install exactly the lock's packages, checked by their hashes."""
    lock = ROOT / 'requirements' / 'lock.txt'
    options = ['--require-hashes']
    if CPU_WHEELS:  # another index, with other hashes
        lock = VENV / 'lock-cpu.txt'
        lock.write_text('\n'.join(f'{k}=={v}' for k, v in pins().items()))
        options = ['--torch-backend', 'cpu']
    if again:
        options.append('--reinstall')
    uv('sync', str(lock), *options, what='installing the packages')


def set_up() -> None:
    """Run the steps."""
    print(f'setup: {VENV} (log: {LOG})')
    print('  1/4 virtual environment', flush=True)
    create_environment()
    try:
        interrupted = 'began' in json.loads(STATE.read_text())
    except (OSError, ValueError):
        interrupted = False
    STATE.write_text(json.dumps({'began': True}))
    print(f'  2/4 {len(pins())} packages, 1 to 5 minutes', flush=True)
    install_lock(interrupted)
    print('  3/4 MMCV with its operations', flush=True)
    version = (ROOT / 'requirements' / 'lock-mmcv.txt').read_text()
    version = re.search(r'^mmcv==(\S+)', version, re.MULTILINE).group(1)
    options = ('install', '--no-deps', '--reinstall')
    setup_mmcv.provide(
        PYTHON, version, lambda names: uv(*options, *names, what='MMCV'), run
    )
    print('  4/4 this package, and a check that all of it imports', flush=True)
    # Not by setuptools' import hook: with that, Python started beside the
    # checkout takes its folder for the package.
    options = ('install', '--no-deps', '--no-build-isolation')
    editable = ('--config-settings', 'editable_mode=compat', '-e', str(ROOT))
    uv(*options, *editable, what='installing this package')
    run([str(PYTHON), '-c', CHECK], 'importing the packages')
    STATE.write_text(json.dumps({'done': fingerprint()}))
    print('setup: done')


def main() -> int:
    """Set the environment up and return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup_mmcv.cache_root().mkdir(parents=True, exist_ok=True)
    try:
        with (setup_mmcv.cache_root() / 'setup.lock').open('w') as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # one set-up at a time
            if is_complete():
                print('setup: everything is in place')
            else:
                set_up()
    except RuntimeError as error:
        print(f'\nsetup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nsetup: interrupted; the same command goes on from here')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
