"""Targets that are computed once, then training and validation on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.models.target_generators import StoreError, TargetStore
from tests.config_files import CONFIGS, RUN
from tests.rgbd_files import write_frames
from tests.small_data import write_teacher
from tests.test_tools.loading import load_tool

pytest.importorskip('timm')
pytest.importorskip('mmdet3d')
tool = load_tool('cache_teacher')
CONFIG = str(CONFIGS / 'concept/concept_pretrain_scannet_stored-tiny.py')
FEW = {**RUN, 'train_dataloader.batch_size': 2}


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scenes of five frames, the last of each for validation."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_teacher(tmp_path)
    return write_frames(tmp_path)


def train_a_little() -> list[dict]:
    """Train an epoch, and return the lines of the log."""
    cfg = prepare_config(CONFIG, 'work', options=FEW)
    train(cfg)
    (log,) = Path('work').rglob('scalars.json')
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_tool_then_the_training(frames: Path) -> None:
    assert tool.main([CONFIG, '--parts', 'train']) == 0
    with pytest.raises(StoreError, match=r'no target of .*0000_00/000100'):
        train_a_little()
    # As the documentation says, and as the message does.
    assert tool.main([CONFIG]) == 0
    (store,) = (frames.parent / 'targets').iterdir()
    assert len(TargetStore(store)) == 10
    # No image is looked at any more.
    for image in frames.rglob('color/*.png'):
        image.write_bytes(image.read_bytes()[:64])
    *steps, last = train_a_little()
    assert len(steps) == 4
    assert all(0 < step['concept.loss'] < 10 for step in steps)
    assert last['chance_1'] == 50.0
    assert 0 <= last['recall_1'] <= 100
