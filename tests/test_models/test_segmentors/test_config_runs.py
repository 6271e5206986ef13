"""The segmentation configs run: small ones from training to test."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.engine import launch
from mmdet3d_act.models.backbones import PointTransformer
from tests.segmentation_data import write_rooms, write_shapes
from tests.small_data import ROOT
from tests.tiny import shrink

CONFIGS = ROOT / 'configs'
PART = 'act_partseg_shapenetpart_tiny'
SEMANTIC = 'act_semseg_s3dis'
RUN = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'default_hooks.logger.interval': 1,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with data and a pretrained student."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_shapes(tmp_path, train=2, val=1, test=2, points=60)
    write_rooms(tmp_path, areas=tuple(range(1, 7)), points=8000)
    torch.manual_seed(0)
    student = PointTransformer(
        embed_dims=128,
        num_layers=4,
        num_heads=4,
        patch_channels=(32, 64, 128),
    )
    state = {f'student.{k}': v for k, v in student.state_dict().items()}
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict=state, meta={}), path)
    monkeypatch.setenv('ACT_PRETRAINED', str(path))
    return tmp_path


def config_of(name: str) -> str:
    """Find a tiny config, or make a full one small."""
    path = CONFIGS / 'act' / f'{name}.py'
    if name.endswith('_tiny'):
        return str(path)
    cfg = shrink(Config.fromfile(path))
    cfg.dump(f'{name}.py')
    return f'{name}.py'


def trained(name: str) -> Path:
    """Train an epoch of a config of ACT; return the checkpoint."""
    cfg = prepare_config(config_of(name), f'work_dirs/{name}', options=RUN)
    return Path(train(cfg))


def scores(work_dir: str, key: str) -> dict:
    """Return the last record of a log that has a key."""
    (log,) = Path(work_dir).rglob('scalars.json')
    records = map(json.loads, log.read_text().splitlines())
    return [record for record in records if key in record][-1]


def evaluate(name: str, checkpoint: Path, *, tta: bool = False) -> dict:
    """Return the metrics of a test, as tools/test.py makes it."""
    path = config_of(name)
    cfg = launch.load_config(path, None)
    cfg.load_from = str(checkpoint)
    cfg.work_dir = f'work_dirs/{name}_test'
    # MMEngine keeps a runner for each experiment of a process.
    cfg.experiment_name = cfg.visualizer.name = f'{name}_test_tta_{tta}'
    launch.forget_pretrained(cfg)
    if tta:
        launch.enable_tta(cfg, path, None)
    return launch.build_runner(cfg).test()


def test_part_segmentation(folder: Path) -> None:
    checkpoint = trained(PART)
    found = scores(f'work_dirs/{PART}', 'instance_miou')
    for key in ('instance_miou', 'class_miou', 'accuracy'):
        assert 0 <= found[key] <= 100
    record = scores(f'work_dirs/{PART}', 'decode.loss_sem_seg')
    assert math.isfinite(record['decode.loss_sem_seg'])
    again = evaluate(PART, checkpoint)
    assert again['instance_miou'] == pytest.approx(found['instance_miou'])
    voted = evaluate(PART, checkpoint, tta=True)
    assert {name for name in voted if '/' in name} == {
        f'vote/{name}' for name in again
    }


def test_semantic_segmentation(folder: Path) -> None:
    """Blocks in validation, whole rooms in windows in the test."""
    checkpoint = trained(SEMANTIC)
    found = scores(f'work_dirs/{SEMANTIC}', 'blocks/miou')
    assert 0 <= found['blocks/miou'] <= 100
    log = next(Path(f'work_dirs/{SEMANTIC}').rglob('*.log')).read_text()
    assert 'class weights of the loss: ' in log
    rooms = evaluate(SEMANTIC, checkpoint)
    assert set(rooms) == {
        f'rooms/{name}'
        for name in ('miou', 'mean_class_accuracy', 'overall_accuracy')
    }
    assert 0 <= rooms['rooms/miou'] <= 100
