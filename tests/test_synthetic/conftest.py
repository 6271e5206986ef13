from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def scene_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a small set of rooms; nobody may change it."""
    from mmdet3d_act.synthetic.room_writer import write_scenes

    from .scene_sets import SMALL_SET

    root = tmp_path_factory.mktemp('rooms')
    write_scenes(root, SMALL_SET)
    return root
