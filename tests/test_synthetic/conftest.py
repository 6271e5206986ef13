from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.synthetic.file_set import write_set
from mmdet3d_act.synthetic.room_set import plan_rooms

from .room_options import SMALL_SET


@pytest.fixture(scope='session')
def scene_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small set of rooms; nobody may change it."""
    root = tmp_path_factory.mktemp('rooms')
    write_set(root, SMALL_SET, plan_rooms)
    return root
