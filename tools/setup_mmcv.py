"""Build MMCV with its compiled operations once, and keep the wheel.

MMCV has no wheels for recent versions of PyTorch. What is built here is kept
in the user's cache, one folder for each combination of MMCV, PyTorch, Python
and accelerator: a wheel for another PyTorch fails at import.

Nearly all of a build's time goes into reading PyTorch's headers, once for
each of 77 files; ``CXX`` precompiles them. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

PROBE = """
import json, sys, torch
gpu = torch.cuda.is_available()
print(json.dumps([
    torch.__version__, torch.version.cuda if gpu else None,
    ''.join(map(str, torch.cuda.get_device_capability())) if gpu else '',
    f'cp{sys.version_info[0]}{sys.version_info[1]}']))
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


def nvcc_version() -> str | None:
    """Return the release of the CUDA compiler, such as '13.0', or None."""
    home = os.environ.get('CUDA_HOME')
    nvcc = shutil.which('nvcc', path=f'{home}/bin' if home else None)
    if nvcc is None:
        return None
    done = subprocess.run([nvcc, '--version'], capture_output=True, text=True)
    found = re.search(r'release (\d+\.\d+)', done.stdout)
    return found.group(1) if found else None


def find_accelerator(cuda: str | None, capability: str) -> str:
    """Return what MMCV is built for: 'cpu' or such as 'cu13.0-sm90'.

    CUDA operations are built where PyTorch sees a GPU and nvcc is of the
    same major version as PyTorch's CUDA. ``ACT_MMCV_CUDA=0`` leaves them out.

    Args:
        cuda: PyTorch's CUDA version where it sees a GPU.
        capability: The GPU's compute capability, such as '90'.
    """
    if cuda is None or os.environ.get('ACT_MMCV_CUDA') == '0':
        return 'cpu'
    nvcc = nvcc_version()
    if nvcc is not None and nvcc.split('.')[0] == cuda.split('.')[0]:
        return f'cu{nvcc}-sm{capability}'
    print(
        f'      a GPU is visible, but nvcc is {nvcc or "missing"} and PyTorch '
        f'needs CUDA {cuda}: MMCV gets its CPU operations only'
    )
    return 'cpu'


def missing_for_build() -> list[str]:
    """Return what a source build needs and the system does not have."""
    missing = []
    if shutil.which(os.environ.get('CXX', 'g++')) is None:
        missing.append('C++ compiler (Debian, Ubuntu: g++)')
    if not (Path(sysconfig.get_paths()['include']) / 'Python.h').is_file():
        missing.append('Python.h (Debian, Ubuntu: python3.11-dev)')
    return missing


def build(
    python: Path, version: str, accelerator: str, run: Callable[..., None]
) -> Path:
    """Build the wheel in a temporary folder of the cache; return its path.

    Args:
        python: Interpreter of the environment, PyTorch is installed in it.
        version: Version of MMCV.
        accelerator: What `find_accelerator` says.
        run: Runs a command with its output in the log.
    """
    # Only one set-up runs at a time: what is there was interrupted.
    scratch = cache_root() / 'build'
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    compiler = scratch / 'c++'
    compiler.write_text(CXX)
    compiler.chmod(0o755)
    environment = {
        'MMCV_WITH_OPS': '1',
        'FORCE_CUDA': str(int(accelerator != 'cpu')),
        'MAX_JOBS': os.environ.get('MAX_JOBS', str(os.cpu_count())),
        'TMPDIR': str(scratch),
        'PATH': f'{python.parent}{os.pathsep}{os.environ["PATH"]}',
        'CXX': str(compiler),
        'ACT_CXX': shutil.which(os.environ.get('CXX', 'g++')) or 'g++',
    }
    if accelerator == 'cpu':
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

    Raises:
        RuntimeError: If PyTorch or a freshly built MMCV does not run.
    """
    done = subprocess.run(
        [str(python), '-c', PROBE], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f'PyTorch fails to import:\n{done.stderr}')
    torch, cuda, capability, tag = json.loads(done.stdout)
    accelerator = find_accelerator(cuda, capability)
    key = f'mmcv-{version}_torch-{torch}_{tag}_{accelerator}'
    folder = cache_root() / 'wheels' / key
    check = [str(python), '-c', CHECK, accelerator]
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
    print(f'      building it for {accelerator}, 2 to 5 minutes; only once')
    wheel = build(python, version, accelerator, run)
    install([str(wheel)])
    run(check, "running MMCV's operations")
    folder.mkdir(parents=True, exist_ok=True)
    wheel.rename(folder / wheel.name)
    shutil.rmtree(cache_root() / 'build')
