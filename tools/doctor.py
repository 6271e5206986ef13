"""Say on one screen what works, what is missing and what to do about it.

    python tools/doctor.py

Checks Python, PyTorch, CUDA, MMCV's operations, every dependency against its
range, the data sets below ACT_DATA_ROOT (default ``data/``) and the teachers.
The exit code is 1 when something that is needed is broken; data, teachers
and optional packages may be missing.

Standard library only: it also has to run where nothing is installed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import doctor_data
from doctor_data import OK, Finding, broken, note, ok

ROOT = Path(__file__).resolve().parents[1]
PYTHON_RANGE = ((3, 10), (3, 13))
WIDTH = 79
PROBE_SECONDS = 120

# Group of requirements, and whether the package works without it.
GROUPS = (
    ('runtime', True),
    ('mmdet3d', True),
    ('teacher', False),
    ('demo', False),
    ('dev', False),
)

PROBE = """
import json
facts = {}
try:
    import torch
    facts['torch'] = torch.__version__
    facts['threads'] = torch.get_num_threads()
    facts['cuda'] = torch.version.cuda
    gpu = torch.cuda.is_available()
    facts['gpus'] = [
        torch.cuda.get_device_name(i)
        for i in range(torch.cuda.device_count() if gpu else 0)]
except Exception as error:
    facts['torch_error'] = f'{type(error).__name__}: {error}'
else:
    try:
        from mmcv import _ext
        boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.1]])
        kept = _ext.nms(boxes, torch.tensor([.9, .8]), iou_threshold=.5,
                        offset=0)
        assert kept.tolist() == [0], kept
        facts['compiler'] = _ext.get_compiling_cuda_version()
    except Exception as error:
        facts['cpu_error'] = f'{type(error).__name__}: {error}'
    else:
        if gpu:
            try:
                from mmcv.ops import furthest_point_sample
                furthest_point_sample(torch.rand(1, 9, 3, device='cuda'), 2)
            except Exception as error:
                facts['cuda_error'] = f'{type(error).__name__}: {error}'
print(json.dumps(facts))
"""


class Requirement(NamedTuple):
    """A package and the range of versions that is allowed."""

    name: str
    range: str


def parse_requirement(line: str) -> Requirement | None:
    """Return name and range of a requirement line, None for a comment."""
    text = re.split(r'[#;]', line)[0].strip()
    found = re.match(
        r'([A-Za-z0-9._-]+)\s*(?:\[[^]]*])?\s*\(?([^)]*)\)?', text
    )
    if not text or found is None:
        return None
    return Requirement(found.group(1), found.group(2).replace(' ', ''))


def read_requirements(group: str) -> list[Requirement]:
    """Return a group's requirements, from the checkout or the metadata.

    Args:
        group: ``runtime`` or the name of an extra.
    """
    path = ROOT / 'requirements' / f'{group}.txt'
    if path.is_file():
        lines = path.read_text(encoding='utf-8').splitlines()
    else:
        lines = _metadata_lines(group)
    parsed = (parse_requirement(line) for line in lines)
    return [requirement for requirement in parsed if requirement]


def _metadata_lines(group: str) -> list[str]:
    try:
        lines = importlib.metadata.requires('mmdet3d_act') or []
    except importlib.metadata.PackageNotFoundError:
        return []
    extra = re.compile(r'extra\s*==\s*["\'](\w+)["\']')
    result = []
    for line in lines:
        found = extra.search(line)
        if (found.group(1) if found else 'runtime') == group:
            result.append(line)
    return result


def release(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare: 2.0.0rc4 < 2.0.0 < 2.0.1.

    Local labels (``+cu130``) do not count. A pre-release gets a -1 and its
    number behind three numbers, a release a 0.
    """
    found = re.match(
        r'v?(\d+(?:\.\d+)*)(?:[._-]?(?:a|b|rc|dev)\D*(\d*))?', version
    )
    if found is None:
        return (0, 0, 0, 0, 0)
    numbers = [int(part) for part in found.group(1).split('.')[:3]]
    numbers += [0] * (3 - len(numbers))
    if found.group(2) is None:
        return (*numbers, 0, 0)
    return (*numbers, -1, int(found.group(2) or 0))


def within(version: str, allowed: str) -> bool:
    """Return whether a version is in a range such as ``>=2.1,<3``."""
    compare = {
        '>=': lambda a, b: a >= b,
        '<=': lambda a, b: a <= b,
        '==': lambda a, b: a == b,
        '!=': lambda a, b: a != b,
        '>': lambda a, b: a > b,
        '<': lambda a, b: a < b,
    }
    for clause in filter(None, allowed.split(',')):
        operator = re.match(r'[<>=!]+', clause).group()
        bound = clause[len(operator) :]
        if not compare[operator](release(version), release(bound)):
            return False
    return True


def check_package(requirement: Requirement, needed: bool) -> Finding:
    """Return whether a package is installed in a version of its range."""
    name, allowed = requirement
    fault = broken if needed else note
    remedy = f'make setup, or: pip install "{name}{allowed}"'
    if name == 'mmcv':
        remedy = 'make setup (a plain pip install leaves out its operations)'
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return fault(f'{name} is not installed ({allowed or "any"})', remedy)
    if not within(version, allowed):
        return fault(f'{name} {version} is outside {allowed}', remedy)
    return ok(
        f'{name} {version} ({allowed})' if allowed else f'{name} {version}'
    )


def check_python() -> Finding:
    """Return whether this Python is in the range."""
    version = '.'.join(map(str, sys.version_info[:3]))
    lowest, above = PYTHON_RANGE
    if lowest <= sys.version_info[:2] < above:
        return ok(f'Python {version} ({sys.prefix})')
    return broken(
        f'Python {version} is outside >=3.10,<3.13',
        'make setup, then .venv/bin/python tools/doctor.py',
    )


def start_probe() -> subprocess.Popen:
    """Start importing PyTorch and MMCV in a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-c', PROBE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_probe(process: subprocess.Popen) -> dict:
    """Return what the probe found; a crash is a finding too."""
    try:
        output, errors = process.communicate(timeout=PROBE_SECONDS)
        return json.loads(output.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        process.kill()
        return {'torch_error': f'no answer within {PROBE_SECONDS} s'}
    except (IndexError, ValueError):
        lines = errors.strip().splitlines() or ['no output']
        code = process.returncode
        return {'torch_error': f'exit code {code}: {lines[-1]}'}


def check_torch(facts: dict) -> list[Finding]:
    """Return what works of PyTorch, CUDA and MMCV's operations.

    Args:
        facts: Result of the probe.
    """
    if 'torch_error' in facts:
        return [broken(f'PyTorch: {facts["torch_error"]}', 'make setup')]
    findings = [ok(f'PyTorch {facts["torch"]}, {facts["threads"]} threads')]
    gpus = facts['gpus']
    if gpus:
        findings.append(ok(f'CUDA {facts["cuda"]}: {", ".join(gpus)}'))
    else:
        findings.append(
            note(
                'CUDA: no GPU is visible, everything runs on the CPU',
                'on a machine with a GPU: check nvidia-smi and the driver',
            )
        )
    if 'cpu_error' in facts:
        findings.append(
            broken(
                f'MMCV operations: {facts["cpu_error"]}',
                'make setup (builds MMCV for the PyTorch that is installed)',
            )
        )
        return findings
    findings.append(ok('MMCV operations run on the CPU'))
    findings.extend(_check_cuda_operations(facts))
    return findings


def _check_cuda_operations(facts: dict) -> list[Finding]:
    if not facts['gpus']:
        return []
    if 'cuda_error' not in facts:
        return [ok(f'MMCV operations run on CUDA {facts["compiler"]}')]
    return [
        note(
            f'MMCV operations on CUDA: {facts["cuda_error"]}',
            "install the CUDA toolkit (nvcc) of PyTorch's CUDA version and "
            "run make setup; until then PyTorch's own operations are used",
        )
    ]


def show(title: str, findings: Iterable[Finding]) -> int:
    """Print a section; return how many findings are broken.

    What is fine shares lines, every problem has its own and its remedy.
    """
    findings = list(findings)
    print(title)
    fine = [finding.text for finding in findings if finding.level == OK]
    if fine:
        _print_wrapped('  ok      ', ' · '.join(fine))
    for finding in findings:
        if finding.level == OK:
            continue
        _print_wrapped(f'  {finding.level:<8}', finding.text)
        if finding.remedy:
            _print_wrapped('          -> ', finding.remedy)
    return sum(finding.level == doctor_data.BROKEN for finding in findings)


def _print_wrapped(label: str, text: str) -> None:
    print(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=label,
            subsequent_indent=' ' * len(label),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def main() -> int:
    """Print all sections and return the exit code."""
    probe = start_probe()
    data_root = Path(os.environ.get('ACT_DATA_ROOT') or 'data')
    data = doctor_data.check_data(data_root)
    teachers = doctor_data.check_teachers(data_root)
    sections = [('Python and PyTorch', [check_python()])]
    for group, needed in GROUPS:
        title = f'Packages: {group}' + ('' if needed else ' (optional)')
        found = [check_package(r, needed) for r in read_requirements(group)]
        sections.append((title, found))
    sections[0][1].extend(check_torch(finish_probe(probe)))
    sections.append((f'Data below {data_root}/ (ACT_DATA_ROOT)', data))
    sections.append(('Teachers', teachers))
    faults = sum(show(title, findings) for title, findings in sections)
    own = ROOT / '.venv'
    if faults and own.is_dir() and Path(sys.prefix).resolve() != own:
        print(f'This is not the environment of the checkout: {own}')
    if faults:
        print(f'{faults} problem(s) to mend before anything runs.')
        return 1
    print('Everything that is needed works.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
