"""The shape of the tree: test partners, unique names, length of files."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmdet3d_act'
TESTS = ROOT / 'tests'
MAX_LINES_PACKAGE = 400
MAX_LINES = 500
REGISTERED = re.compile(r'@\w+\.register_module\([^)]*\)\s+class (\w+)')


def package_modules() -> list[Path]:
    """Return the package's modules that define something in public."""
    return [
        path
        for path in sorted(PACKAGE.rglob('*.py'))
        if not path.name.startswith('_') and '.mim' not in path.parts
    ]


def defined(path: Path, kinds: type | tuple[type, ...]) -> list[str]:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    return [node.name for node in ast.walk(tree) if isinstance(node, kinds)]


def registered(folder: Path) -> set[str]:
    return {
        name
        for path in folder.rglob('*.py')
        for name in REGISTERED.findall(path.read_text(encoding='utf-8'))
    }


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_has_a_test_partner() -> None:
    """``models/layers/x.py`` has a ``test_layers/test_x.py`` somewhere."""
    have = {(path.parent.name, path.name) for path in TESTS.rglob('test_*.py')}
    functions_or_classes = (ast.FunctionDef, ast.ClassDef)
    missing = []
    for path in package_modules():
        parent = path.parent
        folder = 'tests' if parent == PACKAGE else f'test_{parent.name}'
        if (folder, f'test_{path.name}') not in have and defined(
            path, functions_or_classes
        ):
            missing.append(relative(path))
    assert not missing, 'modules without a test of their own:\n' + '\n'.join(
        missing
    )


def test_class_names_are_unique() -> None:
    homes = defaultdict(list)
    for path in sorted(PACKAGE.rglob('*.py')):
        for name in defined(path, ast.ClassDef):
            homes[name].append(relative(path))
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert not twice, f'class names that are defined more than once: {twice}'


@pytest.mark.parametrize(
    ('library', 'example'),
    [
        ('mmengine', 'CheckpointHook'),
        ('mmcv', 'LoadImageFromFile'),
        ('mmdet', 'HungarianAssigner'),
        ('mmdet3d', 'IndoorMetric'),
    ],
)
def test_class_names_are_not_the_hosts(library: str, example: str) -> None:
    spec = importlib.util.find_spec(library)
    if spec is None:
        pytest.skip(f'{library} is not installed')
    taken = registered(Path(spec.origin).parent)
    assert example in taken
    clash = sorted(registered(PACKAGE) & taken)
    assert not clash, f'{library} has registered {clash} already'


@pytest.mark.parametrize(
    ('folder', 'limit'),
    [
        ('mmdet3d_act', MAX_LINES_PACKAGE),
        ('tests', MAX_LINES),
        ('tools', MAX_LINES),
        ('configs', MAX_LINES),
        ('benchmarks', MAX_LINES),
    ],
)
def test_files_are_short(folder: str, limit: int) -> None:
    lengths = {
        relative(path): len(path.read_text(encoding='utf-8').splitlines())
        for path in (ROOT / folder).rglob('*.py')
    }
    long = {name: lines for name, lines in lengths.items() if lines > limit}
    assert not long, f'files over {limit} lines: {long}'
