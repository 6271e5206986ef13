"""Make the environment of this checkout: ``make setup``.

Creates ``.venv``, installs ``requirements/lock.txt`` by uv, MMCV with its
operations and this package, editable. Nothing outside the checkout and the
user's cache is touched. A second call finds everything in place; an
interrupted one goes on. ``ACT_TORCH=cpu`` takes PyTorch's CPU wheels: 2.5 GB
less, for machines without a GPU.

MMCV has no wheels for recent versions of PyTorch. What is built here is kept
in the user's cache, one folder for each combination of MMCV, PyTorch, Python
and accelerator: a wheel for another PyTorch fails at import. Nearly all of a
build's time goes into reading PyTorch's headers, once for each of 77 files;
``CXX`` precompiles them.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
LOG = VENV / 'setup.log'
STATE = VENV / 'setup-state'
CPU_WHEELS = os.environ.get('ACT_TORCH') == 'cpu'
UV = 'uv==0.13.9'
CUDA_ONLY = re.compile(r'(nvidia-|cuda-|triton)')
INPUTS = ('requirements/lock.txt', 'requirements/lock-mmcv.txt', 'setup.py')
INPUTS += ('pyproject.toml', 'tools/setup_env.py')
CHECK = 'import cv2, h5py, mmdet3d, sklearn, timm, transformers, mmdet3d_act'

# The key of a wheel, and whether CUDA operations are built: where PyTorch
# sees a GPU and finds nvcc.
PROBE = """
import os, sys, torch
from torch.utils.cpp_extension import CUDA_HOME
accelerator = 'cpu'
wanted = CUDA_HOME and os.environ.get('ACT_MMCV_CUDA') != '0'
if wanted and torch.cuda.is_available():
    number = '%d%d' % torch.cuda.get_device_capability()
    accelerator = f'cu{torch.version.cuda}-sm{number}'
tag = '%d%d' % sys.version_info[:2]
print(f'torch-{torch.__version__}_cp{tag}_{accelerator}')
"""
CHECK_OPERATIONS = """
import sys, torch, mmcv.ops
boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.1]])
assert mmcv.ops.nms(boxes, torch.tensor([.9, .8]), .5)[1].tolist() == [0]
if sys.argv[1] != 'cpu':
    points = torch.rand(1, 16, 3, device='cuda')
    assert mmcv.ops.furthest_point_sample(points, 4).shape == (1, 4)
"""
# Stands before the real compiler: precompiles torch/types.h with the flags
# of the first call and adds the result to each. Of the headers that -H
# lists, "!" marks a precompiled one that was used.
CXX = r"""#!/bin/bash
here=$(dirname "$0"); header=$here/torch_types.h
case " $* " in *" -c "*) ;; *) exec "$ACT_CXX" "$@" ;; esac
flags=(); skip=
for flag in "$@"; do
  if [ -n "$skip" ]; then skip=; continue; fi
  case $flag in
    -MMD|-MD|-c|*.cpp|*.cc) ;; -MF|-o) skip=1 ;; *) flags+=("$flag") ;;
  esac
done
(
  flock 9
  [ ! -e "$header" ] || exit
  echo '#include <torch/types.h>' > "$header"
  "$ACT_CXX" "${flags[@]}" -g0 -w -x c++-header "$header" -o "$header.gch" ||
    rm -f "$header.gch"
) 9> "$here/lock"
[ -e "$header.gch" ] || exec "$ACT_CXX" "$@" -g0 -w
"$ACT_CXX" "$@" -g0 -w -H -include "$header" 2> "$here/headers.$$"; code=$?
grep -q '^! .*torch_types.h.gch' "$here/headers.$$" && echo >> "$here/used"
grep -v '^[.!x]' "$here/headers.$$" >&2
exit $code
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
                text = LOG.read_text(errors='replace')
                step = ''.join(re.findall(r'\[\d+/\d+\]', text)[-1:])
                print(f'      {seconds:.0f} s {step}', flush=True)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode != 0:
        tail = LOG.read_text(errors='replace').splitlines()[-15:]
        index = (
            ' ACT_TORCH=cpu takes PyTorch from download.pytorch.org alone; '
            'where that cannot be reached, plain `make setup` needs it not.'
        )
        raise RuntimeError(
            f'{what} failed (log: {LOG}):\n  ' + '\n  '.join(tail) + '\nIf '
            'the network or a mirror is the reason (UV_DEFAULT_INDEX, '
            'PIP_INDEX_URL), mend it and run the same command again.'
            f'{index if CPU_WHEELS else ""}'
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
    if not STATE.is_file() or STATE.read_text() != fingerprint():
        return False
    sites = [str(path) for path in VENV.glob('lib/python*/site-packages')]
    names = [each.metadata['Name'] or '' for each in distributions(path=sites)]
    found = {re.sub(r'[-_.]+', '-', name).lower() for name in names}
    has_mmcv = bool(found & {'mmcv', 'mmcv-lite'})
    return has_mmcv and {*pins(), 'mmdet3d-act'} <= found


def create_environment() -> None:
    """Make ``.venv`` with uv in it; refuse one that is not ours."""
    mark = VENV / 'made-by-mmdet3d_act'
    if VENV.is_dir() and any(VENV.iterdir()) and not mark.exists():
        raise RuntimeError(
            f'{VENV} was not made by make setup; move it away and run the '
            'same command again'
        )
    probe = f'import pip, sys; assert sys.prefix == {str(VENV)!r}'
    command = [str(PYTHON), '-c', probe]
    silent = {'stderr': subprocess.DEVNULL}
    if not PYTHON.exists() or subprocess.call(command, **silent):
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


def cache_root() -> Path:
    """Return the folder in the user's cache that belongs to this project."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet3d_act'


def build_mmcv(version: str, cuda: bool) -> Path:
    """Build the wheel in a temporary folder of the cache; return its path."""
    # Only one set-up runs at a time: what is there was interrupted.
    scratch = cache_root() / 'build'
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    compiler = scratch / 'c++'
    compiler.write_text(CXX)
    compiler.chmod(0o755)
    environment = {
        'MMCV_WITH_OPS': '1',
        'FORCE_CUDA': str(int(cuda)),
        'MAX_JOBS': os.environ.get('MAX_JOBS', str(os.cpu_count())),
        'TMPDIR': str(scratch),
        'PATH': f'{PYTHON.parent}{os.pathsep}{os.environ["PATH"]}',
        'CXX': str(compiler),
        'ACT_CXX': shutil.which(os.environ.get('CXX', 'g++')) or 'g++',
    }
    if not cuda:
        environment['CUDA_VISIBLE_DEVICES'] = ''
    options = ['-v', '--no-build-isolation', '--no-deps', '--no-cache-dir']
    options += ['--no-binary', 'mmcv', '--wheel-dir', str(scratch / 'out')]
    command = [str(PYTHON), '-m', 'pip', 'wheel', *options, f'mmcv=={version}']
    run(command, 'building MMCV', environment)
    used = scratch / 'used'
    count = len(used.read_text().splitlines()) if used.exists() else 0
    print(f'      the precompiled header served {count} files')
    return next((scratch / 'out').glob('mmcv-*.whl'))


def install_mmcv(version: str) -> None:
    """Install MMCV from the cache, or build it first; check that it runs.

    Without a compiler ``mmcv-lite`` of the same version is installed; what
    MMDetection3D needs of its operations is then `mmdet3d_act.mmcv_cpu`'s.
    """

    def install(name: str) -> None:
        uv('install', '--no-deps', '--reinstall', name, what='MMCV')

    done = subprocess.run([str(PYTHON), '-c', PROBE], capture_output=True)
    key = done.stdout.decode().strip()
    if done.returncode != 0:
        raise RuntimeError(f'PyTorch fails to import:\n{done.stderr.decode()}')
    folder = cache_root() / 'wheels' / f'mmcv-{version}_{key}'
    check = [str(PYTHON), '-c', CHECK_OPERATIONS, key.rpartition('_')[2]]
    for wheel in folder.glob('mmcv-*.whl'):
        print(f'      from the cache: {wheel}')
        try:
            install(str(wheel))
            run(check, "running MMCV's operations")
            return
        except RuntimeError:
            print('      it does not run: removed')
            wheel.unlink()
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    compiler = shutil.which(os.environ.get('CXX', 'g++'))
    if compiler is None or not header.is_file():
        lacking = 'C++ compiler (g++)' if not compiler else f'{header}'
        print(f'      no {lacking}: mmcv-lite in its place')
        install(f'mmcv-lite=={version}')
        return
    print(f'      building it for {key}, 2 to 5 minutes; only once')
    wheel = build_mmcv(version, not key.endswith('_cpu'))
    install(str(wheel))
    run(check, "running MMCV's operations (ACT_MMCV_CUDA=0: without CUDA)")
    folder.mkdir(parents=True, exist_ok=True)
    wheel.rename(folder / wheel.name)
    shutil.rmtree(cache_root() / 'build')


def set_up() -> None:
    """Run the steps."""
    print(f'setup: {VENV} (log: {LOG})')
    print('  1/4 virtual environment', flush=True)
    create_environment()
    interrupted = STATE.is_file() and STATE.read_text() == 'began'
    STATE.write_text('began')
    print(f'  2/4 {len(pins())} packages, 1 to 5 minutes', flush=True)
    install_lock(interrupted)
    print('  3/4 MMCV with its operations', flush=True)
    version = (ROOT / 'requirements' / 'lock-mmcv.txt').read_text()
    version = re.search(r'^mmcv==(\S+)', version, re.MULTILINE).group(1)
    install_mmcv(version)
    print('  4/4 this package, and a check that all of it imports', flush=True)
    # Not by setuptools' import hook: with that, Python started beside the
    # checkout takes its folder for the package.
    options = ('install', '--no-deps', '--no-build-isolation')
    editable = ('--config-settings', 'editable_mode=compat', '-e', str(ROOT))
    uv(*options, *editable, what='installing this package')
    run([str(PYTHON), '-c', CHECK], 'importing the packages')
    STATE.write_text(fingerprint())
    print('setup: done')


def main() -> int:
    """Set the environment up and return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cache_root().mkdir(parents=True, exist_ok=True)
    try:
        with (cache_root() / 'setup.lock').open('w') as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # one set-up at a time
            if is_complete():
                print('setup: everything is in place')
            else:
                set_up()
    except RuntimeError as error:
        sys.exit(f'\nsetup: {error}')
    except KeyboardInterrupt:
        print('\nsetup: interrupted; the same command goes on from here')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
