"""Build MMCV with its compiled operations once, and keep the wheel.

MMCV has no wheels for recent versions of PyTorch. What is built here is kept
in the user's cache, one folder for each combination of MMCV, PyTorch, Python
and accelerator: a wheel for another PyTorch fails at import.

Nearly all of a build's time goes into reading PyTorch's headers, once for
each of 77 files; ``CXX`` precompiles them. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

# The key of a wheel, and whether CUDA operations are built: where PyTorch
# sees a GPU and finds nvcc.
PROBE = """
import os, sys, torch
from torch.utils.cpp_extension import CUDA_HOME
accelerator = 'cpu'
if torch.cuda.is_available() and os.environ.get('ACT_MMCV_CUDA') != '0':
    if CUDA_HOME:
        number = '%d%d' % torch.cuda.get_device_capability()
        accelerator = f'cu{torch.version.cuda}-sm{number}'
tag = '%d%d' % sys.version_info[:2]
print(f'torch-{torch.__version__}_cp{tag}_{accelerator}')
"""
CHECK = """
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


def cache_root() -> Path:
    """Return the folder in the user's cache that belongs to this project."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet3d_act'


def missing_for_build() -> list[str]:
    """List what a source build needs and the system does not have."""
    missing = []
    if shutil.which(os.environ.get('CXX', 'g++')) is None:
        missing.append('C++ compiler (Debian, Ubuntu: g++)')
    if not (Path(sysconfig.get_paths()['include']) / 'Python.h').is_file():
        missing.append('Python.h (Debian, Ubuntu: python3.11-dev)')
    return missing


def build(
    python: Path, version: str, cuda: bool, run: Callable[..., None]
) -> Path:
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
        'PATH': f'{python.parent}{os.pathsep}{os.environ["PATH"]}',
        'CXX': str(compiler),
        'ACT_CXX': shutil.which(os.environ.get('CXX', 'g++')) or 'g++',
    }
    if not cuda:
        environment['CUDA_VISIBLE_DEVICES'] = ''
    options = ['-v', '--no-build-isolation', '--no-deps', '--no-cache-dir']
    options += ['--no-binary', 'mmcv', '--wheel-dir', str(scratch / 'out')]
    command = [str(python), '-m', 'pip', 'wheel', *options, f'mmcv=={version}']
    run(command, 'building MMCV', environment)
    used = scratch / 'used'
    count = len(used.read_text().splitlines()) if used.exists() else 0
    print(f'      the precompiled header served {count} files')
    return next((scratch / 'out').glob('mmcv-*.whl'))


def provide(
    python: Path,
    version: str,
    install: Callable[[Sequence[str]], None],
    run: Callable[..., None],
) -> None:
    """Install MMCV from the cache, or build it first; check that it runs.

    Without a compiler ``mmcv-lite`` of the same version is installed; what
    MMDetection3D needs of its operations is then `mmdet3d_act.mmcv_cpu`'s.

    Args:
        python: Interpreter of the environment.
        version: Version of MMCV.
        install: Installs requirements into the environment.
        run: Runs a command with its output in the log, raises RuntimeError.
    """
    done = subprocess.run([str(python), '-c', PROBE], capture_output=True)
    key = done.stdout.decode().strip()
    if done.returncode != 0:
        raise RuntimeError(f'PyTorch fails to import:\n{done.stderr.decode()}')
    folder = cache_root() / 'wheels' / f'mmcv-{version}_{key}'
    check = [str(python), '-c', CHECK, key.rpartition('_')[2]]
    for wheel in folder.glob('mmcv-*.whl'):
        print(f'      from the cache: {wheel}')
        try:
            install([str(wheel)])
            run(check, "running MMCV's operations")
            return
        except RuntimeError:
            print('      it does not run: removed')
            wheel.unlink()
    missing = missing_for_build()
    if missing:
        print(f'      no {", no ".join(missing)}: mmcv-lite in its place')
        install([f'mmcv-lite=={version}'])
        return
    print(f'      building it for {key}, 2 to 5 minutes; only once')
    wheel = build(python, version, not key.endswith('_cpu'), run)
    install([str(wheel)])
    run(check, "running MMCV's operations (ACT_MMCV_CUDA=0: without CUDA)")
    folder.mkdir(parents=True, exist_ok=True)
    wheel.rename(folder / wheel.name)
    shutil.rmtree(cache_root() / 'build')
