"""The set-up: what it pins, when it is finished, how it refuses."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

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
