"""Class names: unique in the package, and none of the host's."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmdet3d_act'
REGISTERED = re.compile(r'@\w+\.register_module\([^)]*\)\s+class (\w+)')


def defined_classes(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    return [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]


def registered(folder: Path) -> set[str]:
    return {
        name
        for path in folder.rglob('*.py')
        for name in REGISTERED.findall(path.read_text(encoding='utf-8'))
    }


def test_class_names_are_unique() -> None:
    homes = defaultdict(list)
    for path in sorted(PACKAGE.rglob('*.py')):
        for name in defined_classes(path):
            homes[name].append(path.relative_to(ROOT).as_posix())
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
