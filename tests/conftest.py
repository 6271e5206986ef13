"""Options and markers that all tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

REPO_ROOT = Path(__file__).resolve().parents[1]
if str(REPO_ROOT) not in sys.path:
    sys.path.insert(0, str(REPO_ROOT))

from tests.small_data import data_root  # noqa: E402
from tests.test_reference import harness  # noqa: E402
from tests.test_reference.completeness import Completeness  # noqa: E402

__all__ = ['data_root']


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--reference DIR``, the folder with the golden arrays."""
    parser.addoption(
        '--reference',
        default=None,
        metavar='DIR',
        help='folder with fixtures_index.json, fixtures/ and keys/ to compare '
        'with (default: ../shared/reference, then tests/data/reference)',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and choose the folder with the golden arrays."""
    config.addinivalue_line(
        'markers', 'gpu: needs a CUDA device; skipped where there is none'
    )
    config.addinivalue_line(
        'markers', 'slow: full-size networks, several seconds or more'
    )
    folder = config.getoption('--reference')
    if folder is not None:
        folder = config.invocation_params.dir / Path(folder).expanduser()
    try:
        harness.choose_folder(folder)
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(Completeness(), 'golden arrays')


def pytest_report_header() -> str:
    """Name the folder with the golden arrays."""
    return f'golden arrays: {harness.chosen_folder()}'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked ``gpu`` where there is no CUDA device."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason='needs a CUDA device, none is visible')
    for item in items:
        if 'gpu' in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def mmdet3d_scope(_no_global_instances: None) -> Iterator[None]:
    """Build from configs as a Runner of MMDetection3D does."""
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def _instances() -> list[dict]:
    """Return MMEngine's tables of global instances, with subclasses'."""
    classes = [DefaultScope, MessageHub, MMLogger, Visualizer]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    return [cls._instance_dict for cls in classes]


@pytest.fixture(autouse=True)
def _no_global_instances() -> Iterator[None]:
    """Hide what Runners leave behind, and put it back afterwards."""
    saved = [(table, table.copy()) for table in _instances()]
    for table, _ in saved:
        table.clear()
    yield
    for table in _instances():
        table.clear()
    for table, before in saved:
        table.update(before)
