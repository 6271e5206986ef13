"""The set-up: what it pins, when it is finished, how it refuses."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from tests.test_tools.loading import TOOLS, load_tool

setup_env = load_tool('setup_env')
LOCK = (TOOLS.parent / 'requirements' / 'lock.txt').read_text()


def test_lock_names_no_index_and_hashes_everything() -> None:
    blocks = re.split(r'(?m)^(?=[\w.-]+==)', LOCK)[1:]
    assert len(blocks) > 150
    assert all('--hash=sha256:' in block for block in blocks)
    assert '://' not in LOCK
    assert not re.search(r'^(mmcv|opencv-python)==', LOCK, re.MULTILINE)


def test_lock_is_what_is_installed() -> None:
    other = {}
    for name, pin in setup_env.pins().items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = None
        if found != pin:
            other[name] = found
    if len(other) > 20:
        pytest.skip('this environment was not made from the lock')
    assert not other


def test_compiler_precompiles_the_header_once(tmp_path: Path) -> None:
    """Every file is served by one precompiled header; links pass through."""
    include = tmp_path / 'include' / 'torch'
    include.mkdir(parents=True)
    (include / 'types.h').write_text(
        '#pragma once\ninline int answer() { return 42; }'
    )
    compiler = tmp_path / 'c++'
    compiler.write_text(load_tool('setup_mmcv').CXX)
    compiler.chmod(0o755)
    for name in ('one', 'two'):
        source = f'#include <torch/types.h>\nint {name}() {{ return 1; }}'
        (tmp_path / f'{name}.cpp').write_text(source)
        flags = ['-O1', '-fPIC', f'-I{include.parent}', '-MMD', '-MF']
        files = [f'{name}.d', '-c', f'{name}.cpp', '-o', f'{name}.o']
        subprocess.run(
            [str(compiler), *flags, *files],
            cwd=tmp_path,
            env={'ACT_CXX': 'g++', 'PATH': '/usr/bin:/bin'},
            check=True,
        )
    assert (tmp_path / 'used').read_text().count('\n') == 2
    assert (tmp_path / 'one.o').stat().st_size > 0
