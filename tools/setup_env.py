"""Make the environment of this checkout: ``make setup``.

Creates ``.venv``, installs the exact versions of ``requirements/lock.txt``,
builds MMCV with its operations (once; the wheel is kept in the user's cache)
and installs this package itself, editable. Nothing outside the checkout and
the user's cache is touched.

A second call finds everything in place and does nothing. A call that was
interrupted leaves no trace that counts as done: each step looks at what is
really there, and half-written packages and wheels are made anew.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import setup_mmcv
from setup_common import SetupError, pip_command, run_logged, say
from setup_packages import damaged, installed, read_pins

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
PYTHON_VERSION = (3, 11)
NEEDED_SPACE = 14 << 30
# What the state of the environment depends on.
INPUTS = (
    'requirements',
    'tools/setup_env.py',
    'tools/setup_mmcv.py',
    'tools/setup_common.py',
    'tools/setup_packages.py',
    'pyproject.toml',
    'setup.py',
    'mmdet3d_act/version.py',
)
# Installed first: the rest of the lock, and building MMCV, come after it.
TORCH_NAMES = re.compile(r'(torch|triton|cuda-.*|nvidia-.*)==')
QUICK_CHECK = """
import importlib.util, sys
import torch, mmcv._ext
spec = importlib.util.find_spec('mmdet3d_act')
assert spec is not None and spec.origin.startswith(sys.argv[1]), spec
"""
FULL_CHECK = """
import h5py, mmcv.ops, mmdet, mmdet3d, mmengine, sklearn, timm, torchvision
import cv2, transformers
"""


class Environment:
    """The virtual environment, and what is known of its state.

    Args:
        folder: Where it is or will be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / 'bin' / 'python'
        self.log = folder / 'setup.log'
        self.state_file = folder / 'setup-state.json'
        self.mark = folder / 'made-by-mmdet3d_act'

    @property
    def site(self) -> Path:
        """Folder that packages are installed into."""
        major, minor = PYTHON_VERSION
        return self.folder / 'lib' / f'python{major}.{minor}' / 'site-packages'

    def works(self) -> bool:
        """Return whether it is whole: right Python, right place, with pip."""
        if not self.python.exists():
            return False
        code = 'import pip, sys; print(sys.prefix, sys.version_info[:2])'
        done = subprocess.run(
            [str(self.python), '-c', code],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == f'{self.folder} {PYTHON_VERSION}'

    def create(self) -> None:
        """Make it, removing a broken one that this script made.

        Raises:
            SetupError: If something that is not ours is in the way.
        """
        if self.works():
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            if not self.mark.exists():
                raise SetupError(
                    f'{self.folder} exists, but is no working environment of '
                    'Python {}.{} that belongs here; move it away and run the '
                    'same command again'.format(*PYTHON_VERSION)
                )
            say('      the one that is there is incomplete: made anew')
            shutil.rmtree(self.folder)
        self.folder.mkdir(exist_ok=True)
        self.mark.touch()
        run_logged(
            [sys.executable, '-m', 'venv', str(self.folder)],
            self.log,
            'creating the virtual environment (Debian and Ubuntu need the '
            'package python3.11-venv for it)',
        )
        if not self.works():
            raise SetupError(f'the new environment does not work: {self.log}')

    def read_state(self) -> str:
        """Return the fingerprint of the last complete set-up, or ''."""
        try:
            state = json.loads(self.state_file.read_text(encoding='utf-8'))
            return str(state['fingerprint'])
        except (OSError, ValueError, KeyError, TypeError):
            return ''

    def write_state(self, fingerprint: str) -> None:
        """Note a complete set-up, in one step."""
        draft = self.state_file.with_suffix('.new')
        draft.write_text(
            json.dumps(dict(fingerprint=fingerprint)), encoding='utf-8'
        )
        draft.replace(self.state_file)


def fingerprint() -> str:
    """Return a hash of everything that a finished set-up depends on."""
    digest = hashlib.sha256()
    digest.update(str(ROOT).encode())
    digest.update(f'{setup_mmcv.nvcc_version()}'.encode())
    digest.update(f'{setup_mmcv.gpu_visible()}'.encode())
    digest.update(os.environ.get('ACT_MMCV_CUDA', '').encode())
    for name in INPUTS:
        path = ROOT / name
        files = sorted(path.glob('*.txt')) if path.is_dir() else [path]
        for file in files:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def install_pins(
    environment: Environment, pins: dict[str, str], what: str
) -> None:
    """Install what is missing, damaged or of another version."""
    present = installed(environment.site)
    broken = damaged(environment.site, list(pins))
    needed = [
        f'{name}=={version}'
        for name, version in pins.items()
        if present.get(name) != version or name in broken
    ]
    if not needed:
        say('      already there')
        return
    if broken:
        say(f'      not whole, installed again: {", ".join(broken)}')
    say(f'      {len(needed)} of {len(pins)} to install')
    options = 'install --no-deps --progress-bar off'
    if broken:
        options += ' --force-reinstall'
    run_logged(
        pip_command(environment.python, options, needed),
        environment.log,
        what,
    )


def install_mmcv(environment: Environment) -> None:
    """Provide MMCV with operations that run."""
    version = read_pins(ROOT / 'requirements/lock-mmcv.txt')['mmcv']
    target = setup_mmcv.find_target(environment.python, version)
    right = installed(environment.site).get('mmcv') == version
    whole = not damaged(environment.site, ['mmcv'])
    if right and whole:
        error = setup_mmcv.check_operations(environment.python, target.cuda)
        if error is None:
            say('      already there, its operations run')
            return
        say(f'      the installed one does not run: {error}')
    setup_mmcv.provide(environment.python, target, environment.log)


def install_package(environment: Environment) -> None:
    """Install this checkout, editable.

    By its path, not by setuptools' import hook: with that, Python started
    beside the checkout takes its folder for the package.
    """
    run_logged(
        pip_command(
            environment.python,
            'install --no-deps --no-build-isolation --no-index '
            '--config-settings editable_mode=compat --editable',
            [str(ROOT)],
        ),
        environment.log,
        'installing this package',
    )


def quick_check(environment: Environment) -> bool:
    """Return whether a finished set-up still holds, in about 3 seconds."""
    if not environment.works():
        return False
    present = installed(environment.site)
    pins = read_pins(ROOT / 'requirements/lock.txt')
    if any(present.get(name) != pin for name, pin in pins.items()):
        return False
    done = subprocess.run(
        [str(environment.python), '-c', QUICK_CHECK, str(ROOT)],
        capture_output=True,
        check=False,
        cwd=environment.folder,
    )
    return done.returncode == 0


def check_machine() -> None:
    """Check system, processor and Python.

    Raises:
        SetupError: If the lock file is not for this machine.
    """
    machine = (platform.system(), platform.machine())
    if machine != ('Linux', 'x86_64'):
        raise SetupError(
            f'the locked versions are for x86-64 Linux, this is {machine}; '
            'install by hand, see "Other environments" in README.md'
        )
    if sys.version_info[:2] != PYTHON_VERSION:
        raise SetupError(
            'the locked versions are for Python {}.{}, this is {}.{}; '
            'run "make setup PYTHON=/path/to/python3.11"'.format(
                *PYTHON_VERSION, *sys.version_info
            )
        )


def check_space() -> None:
    """Check that what a new environment needs fits on the disk.

    Raises:
        SetupError: If it does not.
    """
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_SPACE:
        raise SetupError(
            f'a new environment and its downloads need {NEEDED_SPACE >> 30} '
            f'GB, {ROOT} has {free >> 30} GB free; make room and run the '
            'same command again'
        )


@contextmanager
def only_one() -> Iterator[None]:
    """Wait until no other set-up of this user runs."""
    root = setup_mmcv.cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / 'setup.lock').open('w') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('setup: another set-up is running, waiting for its end')
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def set_up(environment: Environment) -> None:
    """Run the steps; each does only what is not done.

    Raises:
        SetupError: If a step fails.
    """
    say(f'setup: environment {environment.folder} (log: {environment.log})')
    say('  1/6 virtual environment, seconds')
    if not environment.works():
        check_space()
    environment.create()
    environment.state_file.unlink(missing_ok=True)
    pins = read_pins(ROOT / 'requirements/lock.txt')
    torch = {
        name: version
        for name, version in pins.items()
        if TORCH_NAMES.match(f'{name}==')
    }
    say('  2/6 PyTorch, 2 to 10 minutes (a download of 2.5 GB)')
    install_pins(environment, torch, 'installing PyTorch')
    say(f'  3/6 {len(pins) - len(torch)} other packages, 1 to 5 minutes')
    rest = {name: pins[name] for name in pins if name not in torch}
    install_pins(environment, rest, 'installing the other packages')
    say(f'  4/6 MMCV with operations, seconds or {setup_mmcv.BUILD_TIME}')
    install_mmcv(environment)
    say('  5/6 this package, seconds')
    install_package(environment)
    say('  6/6 check that all of it imports, up to a minute')
    run_logged(
        [str(environment.python), '-c', FULL_CHECK],
        environment.log,
        'importing the installed packages',
    )
    if not quick_check(environment):
        raise SetupError(
            'the environment is still not as it should be; remove '
            f'{environment.folder} and run the same command again'
        )
    environment.write_state(fingerprint())
    say('setup: done')


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the environment up and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--force', action='store_true', help='go through all steps again'
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # not under nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    environment = Environment(VENV)
    try:
        check_machine()
        with only_one():
            finished = environment.read_state() == fingerprint()
            if not options.force and finished and quick_check(environment):
                say('setup: everything is in place')
                return 0
            set_up(environment)
    except SetupError as error:
        print(f'\nsetup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            '\nsetup: interrupted; the same command goes on from here',
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
