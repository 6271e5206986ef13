"""Targets that are computed once, then training and validation on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.datasets import ScanNetFrames
from mmdet3d_act.models.target_generators import StoreError, TargetStore
from mmdet3d_act.models.teachers import TimmImageEncoder
from tests.config_files import CONFIGS, RUN
from tests.rgbd_files import write_frames
from tests.small_data import write_teacher
from tests.test_tools.loading import load_tool

pytest.importorskip('timm')
pytest.importorskip('mmdet3d')
tool = load_tool('cache_teacher')
train_tool = load_tool('train')
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


def test_the_check_before_a_training(
    frames: Path, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    """It says what a store lacks, and computes nothing."""
    check = ['train.py', CONFIG, '--check']
    monkeypatch.setattr('sys.argv', check)
    assert train_tool.main() == 2
    assert 'no store of targets at' in capsys.readouterr().err
    assert tool.main([CONFIG, '--parts', 'train']) == 0
    monkeypatch.setattr(TimmImageEncoder, 'forward', None)
    assert train_tool.main() == 2
    assert "no target of ['scene0000_00/000100'" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv('ACT_DATA_ROOT', str(frames.parent))
    monkeypatch.chdir(frames.parent)
    assert tool.main([CONFIG]) == 0
    capsys.readouterr()
    monkeypatch.setattr('sys.argv', check)
    monkeypatch.setattr(TimmImageEncoder, 'forward', None)
    assert train_tool.main() == 0
    assert 'nothing is missing' in capsys.readouterr().out
    # Another preparation, then other weights under the same name.
    option = 'model.objectives.concept.target_generator.teacher.normalize=True'
    monkeypatch.setattr('sys.argv', [*check, '--cfg-options', option])
    assert train_tool.main() == 2
    assert 'normalize' in capsys.readouterr().err
    monkeypatch.setattr('sys.argv', check)
    write_teacher(frames.parent, seed=1)
    assert train_tool.main() == 2
    assert 'sha256' in capsys.readouterr().err


def test_an_image_that_cannot_be_read(frames: Path) -> None:
    path = frames / 'scene0000_00' / 'color' / '25.png'
    content = path.read_bytes()
    # Its size can be read, its pixels cannot.
    path.write_bytes(content[: len(content) // 2])
    assert tool.main([CONFIG, '--workers', '1']) == 0
    (store,) = (frames.parent / 'targets').iterdir()
    assert TargetStore(store).unreadable(['scene0000_00/000025'])
    assert len(train_a_little()) == 5
    path.write_bytes(content)
    assert tool.main([CONFIG]) == 0
    assert TargetStore(store).pending() == []


def test_other_pairs_take_the_place_of_left_out_ones(frames: Path) -> None:
    pipeline = [
        dict(type='LoadFrame'),
        dict(type='PrepareImage', size=8),
        dict(type='PackPointInputs'),
    ]
    options = dict(split='all', pipeline=pipeline)
    dataset = ScanNetFrames(str(frames), on_error='skip', **options)
    gone = dataset.pair_keys()[::2]
    dataset.leave_out_pairs(gone)
    kept = [dataset[i]['data_samples'].pair_key for i in range(10)]
    assert set(kept).isdisjoint(gone)
    assert kept[1::2] == dataset.pair_keys()
    strict = ScanNetFrames(str(frames), **options)
    with pytest.raises(ValueError, match="needs on_error='skip'"):
        strict.leave_out_pairs(gone)
