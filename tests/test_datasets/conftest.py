"""Small data sets on disk that the data tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger

from tests.test_datasets.clouds import write_shapenet


@pytest.fixture
def shapenet_root(tmp_path: Path) -> Path:
    """ShapeNet-55's layout with 8 training and 3 test clouds."""
    return write_shapenet(tmp_path / 'ShapeNet55-34')


@pytest.fixture
def cloud() -> np.ndarray:
    """A cloud (50, 3) that is neither centred nor scaled."""
    rng = np.random.default_rng(3)
    return rng.normal(2.0, 5.0, (50, 3)).astype(np.float32)


@pytest.fixture
def logged(
    caplog: pytest.LogCaptureFixture,
) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged by MMEngine's logger, in ``.text``."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
