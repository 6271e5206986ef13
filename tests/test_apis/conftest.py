"""Fixtures that the tests of the interfaces share."""

from __future__ import annotations

import pytest

from tests.test_apis.pretraining import write_pretrainings


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    """The present folder, with tiny pretrainings and clouds."""
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path
