"""The fixture ``reference``."""

from __future__ import annotations

import pytest

from tests.test_reference import harness


@pytest.fixture(scope='session')
def reference() -> harness.Reference:
    """The chosen folder with golden arrays; see ``harness`` for its use."""
    return harness.current()
