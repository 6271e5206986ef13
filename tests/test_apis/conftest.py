"""Fixtures that the tests of the interfaces share."""

from __future__ import annotations

import pytest
import torch

from tests.test_apis.experimenting import write_experiment
from tests.test_apis.pretraining import write_pretrainings


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    """The present folder, with tiny pretrainings and clouds."""
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """The present folder, with a toy config of 3 epochs of 2 steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_experiment(tmp_path)
    return tmp_path
