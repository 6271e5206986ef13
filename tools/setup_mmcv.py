"""Build MMCV with its compiled operations once, and keep the wheel.

MMCV has no wheels for recent versions of PyTorch. pip's own cache would hand
a wheel that was built for another PyTorch to this one, where it fails at
import; so wheels are kept in a cache of our own, one folder for each
combination of MMCV, PyTorch, Python and CUDA. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from setup_common import SetupError, pip_command, run_logged, say

BUILD_TIME = '8 to 12 minutes on 2 cores, longer with CUDA'

PROBE = """
import json, sys, sysconfig
import torch
gpu = torch.cuda.is_available()
print(json.dumps(dict(
    torch=torch.__version__,
    cuda=torch.version.cuda if gpu else None,
    arch=''.join(map(str, torch.cuda.get_device_capability())) if gpu else '',
    python=f'cp{sys.version_info[0]}{sys.version_info[1]}',
    platform=sysconfig.get_platform().replace('-', '_').replace('.', '_'),
)))
"""

CHECK = """
import sys
import mmcv, torch
import mmcv.ops
boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.1]])
_, kept = mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
assert kept.tolist() == [0], kept
if sys.argv[1] == 'cuda':
    points = torch.rand(1, 16, 3, device='cuda')
    assert mmcv.ops.furthest_point_sample(points, 4).shape == (1, 4)
print(mmcv.__version__)
"""


class Target(NamedTuple):
    """What a wheel of MMCV is built for."""

    mmcv: str
    torch: str
    python: str
    platform: str
    accelerator: str

    @property
    def key(self) -> str:
        """Name of the folder in the wheel cache."""
        return (
            f'mmcv-{self.mmcv}_torch-{self.torch}_{self.python}_'
            f'{self.platform}_{self.accelerator}'
        )

    @property
    def cuda(self) -> bool:
        """Whether the CUDA operations are built."""
        return self.accelerator != 'cpu'


def cache_root() -> Path:
    """Return the folder in the user's cache that belongs to this project."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet3d_act'


def nvcc_version() -> str | None:
    """Return the release of the CUDA compiler, such as '13.0', or None."""
    home = os.environ.get('CUDA_HOME')
    nvcc = shutil.which('nvcc', path=f'{home}/bin' if home else None)
    if nvcc is None:
        return None
    done = subprocess.run(
        [nvcc, '--version'], capture_output=True, text=True, check=False
    )
    found = re.search(r'release (\d+\.\d+)', done.stdout)
    return found.group(1) if found else None


def gpu_visible() -> bool:
    """Return whether the NVIDIA driver shows a GPU."""
    if shutil.which('nvidia-smi') is None:
        return False
    done = subprocess.run(
        ['nvidia-smi', '-L'], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and 'GPU' in done.stdout


def find_target(python: Path, mmcv: str) -> Target:
    """Return what MMCV has to be built for in this environment.

    CUDA operations are built where PyTorch sees a GPU and nvcc is of the
    same major version as PyTorch's CUDA. ``ACT_MMCV_CUDA=0`` leaves them out.

    Raises:
        SetupError: If PyTorch cannot be imported.
    """
    done = subprocess.run(
        [str(python), '-c', PROBE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SetupError(
            f'PyTorch is installed but fails to import:\n{done.stderr}\n'
            'Remove .venv and run the same command again.'
        )
    facts = json.loads(done.stdout)
    accelerator = 'cpu'
    nvcc = nvcc_version()
    wanted = os.environ.get('ACT_MMCV_CUDA', '1') != '0'
    if wanted and facts['cuda'] and nvcc is None:
        say(
            '      a GPU is visible but no nvcc (CUDA toolkit): MMCV gets its '
            'CPU operations only; set CUDA_HOME and run again to change that'
        )
    elif wanted and facts['cuda']:
        if nvcc.split('.')[0] == facts['cuda'].split('.')[0]:
            accelerator = f'cu{nvcc}-sm{facts["arch"]}'
        else:
            say(
                f'      nvcc is {nvcc}, PyTorch was built for CUDA '
                f'{facts["cuda"]}: MMCV gets its CPU operations only'
            )
    return Target(
        mmcv, facts['torch'], facts['python'], facts['platform'], accelerator
    )


def check_operations(python: Path, cuda: bool) -> str | None:
    """Return None when MMCV's operations run, otherwise the error."""
    done = subprocess.run(
        [str(python), '-c', CHECK, 'cuda' if cuda else 'cpu'],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f'exit code {done.returncode}'


def usable(wheel: Path) -> bool:
    """Return whether a wheel is whole and has the compiled operations."""
    if not zipfile.is_zipfile(wheel):
        return False
    try:
        with zipfile.ZipFile(wheel) as archive:
            compiled = any(
                re.fullmatch(r'mmcv/_ext\..*so', name)
                for name in archive.namelist()
            )
            return compiled and archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False


def cached_wheel(target: Target) -> Path | None:
    """Return the usable wheel of the cache; remove an unusable one."""
    folder = cache_root() / 'wheels' / target.key
    for wheel in sorted(folder.glob('mmcv-*.whl')):
        if usable(wheel):
            return wheel
        say(f'      {wheel.name} in the cache is damaged: removed')
        wheel.unlink()
    return None


def check_compiler() -> None:
    """Check what a source build needs from the system.

    Raises:
        SetupError: If the C++ compiler or Python's headers are missing.
    """
    missing = []
    if shutil.which(os.environ.get('CXX', 'g++')) is None:
        missing.append('a C++ compiler (Debian, Ubuntu: package g++)')
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    if not header.is_file():
        missing.append(
            f'{header} (Debian, Ubuntu: package python3.11-dev; or a Python '
            'from pyenv or conda, which brings its headers)'
        )
    if missing:
        raise SetupError(
            'building MMCV needs ' + ' and '.join(missing) + '; install '
            'that and run the same command again'
        )


def build(python: Path, target: Target, log: Path) -> Path:
    """Build the wheel in a temporary folder, move it into the cache.

    Raises:
        SetupError: If the build fails or leaves out the operations.
    """
    check_compiler()
    folder = cache_root() / 'wheels' / target.key
    scratch_root = cache_root() / 'build'
    # Only one set-up runs at a time, so what is there is an interrupted one's.
    shutil.rmtree(scratch_root, ignore_errors=True)
    scratch_root.mkdir(parents=True)
    scratch = Path(tempfile.mkdtemp(dir=scratch_root))
    environment = {
        'MMCV_WITH_OPS': '1',
        'FORCE_CUDA': '1' if target.cuda else '0',
        'MAX_JOBS': os.environ.get('MAX_JOBS', str(os.cpu_count() or 1)),
        'TMPDIR': str(scratch),
        # ninja and python of the environment come first.
        'PATH': f'{python.parent}{os.pathsep}{os.environ["PATH"]}',
    }
    if not target.cuda:
        environment['CUDA_VISIBLE_DEVICES'] = ''
    try:
        run_logged(
            pip_command(
                python,
                'wheel -v --no-build-isolation --no-deps --no-cache-dir',
                '--no-binary mmcv --wheel-dir',
                [str(scratch / 'out'), f'mmcv=={target.mmcv}'],
            ),
            log,
            'building MMCV',
            environment,
        )
        wheels = list((scratch / 'out').glob('mmcv-*.whl'))
        if len(wheels) != 1 or not usable(wheels[0]):
            raise SetupError(
                'the build of MMCV ended without its compiled operations; '
                f'see {log}'
            )
        folder.mkdir(parents=True, exist_ok=True)
        return wheels[0].rename(folder / wheels[0].name)
    finally:
        shutil.rmtree(scratch_root, ignore_errors=True)


def install(python: Path, wheel: Path, log: Path) -> None:
    """Install the wheel, replacing whatever MMCV is there."""
    run_logged(
        pip_command(
            python,
            'install --no-deps --no-index --no-cache-dir --force-reinstall',
            [str(wheel)],
        ),
        log,
        'installing MMCV',
    )


def provide(python: Path, target: Target, log: Path) -> None:
    """Install MMCV from the cache, or build it first; check that it runs.

    Raises:
        SetupError: If a freshly built MMCV does not run either.
    """
    wheel = cached_wheel(target)
    if wheel is not None:
        say(f'      from the cache: {wheel}')
        install(python, wheel, log)
        error = check_operations(python, target.cuda)
        if error is None:
            return
        say(f'      the cached wheel does not run ({error}): building anew')
        wheel.unlink()
    kind = 'CPU and CUDA' if target.cuda else 'CPU'
    say(f'      building the {kind} operations, {BUILD_TIME}; only once')
    wheel = build(python, target, log)
    install(python, wheel, log)
    error = check_operations(python, target.cuda)
    if error is not None:
        raise SetupError(
            f'MMCV was built but "import mmcv.ops" fails: {error}\n'
            f'See {log}; with ACT_MMCV_CUDA=0 its CUDA operations are left '
            'out.'
        )
