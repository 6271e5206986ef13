"""Fixture ``reference`` and the bookkeeping of the coverage tests."""

from __future__ import annotations

import pytest

from tests.test_reference import harness

LAST = 'test_every_array_was_compared'


@pytest.fixture(scope='session')
def reference() -> harness.Reference:
    """The chosen folder with golden arrays; see ``harness`` for its use."""
    return harness.current()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Note what runs; move the test that reads the records to the end."""
    config.stash[harness.RUN_MODULES] = {item.path.name for item in items}
    items.sort(key=lambda item: getattr(item, 'originalname', '') == LAST)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note which test modules do not run as a whole."""
    for item in items:
        stash = item.config.stash
        modules = stash.setdefault(harness.DESELECTED_MODULES, set())
        modules.add(item.path.name)
