"""Segmentation of ScanNet's scenes: the configs at work on small rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet3d_act.registry import MODELS
from tests.config_files import RUN, load, peek
from tests.mini_scannet import FURNITURE, write_scannet

TINY = 'act/act_semseg_scannet_tiny.py'
SMALL = {
    **RUN,
    'model.backbone.init_cfg': None,
    'model.backbone.num_layers': 2,
    'model.backbone.num_groups': 64,
    'model.test_cfg.num_points': 1024,
    'model.test_cfg.batch_size': 4,
    'train_dataloader.batch_size': 2,
    'train_dataloader.dataset.samples_per_scene': 1,
    'default_hooks.checkpoint.save_best': None,
}


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    return write_scannet(tmp_path)


def whole_scenes() -> dict:
    """Return what the config of whole scenes changes, with small numbers."""
    full = peek('act/act_semseg_scannet_scenes.py')
    pipeline = [dict(step) for step in full.train_dataloader.dataset.pipeline]
    pipeline[-2]['num_points'] = 1024
    model = full.model
    return dict(
        model=dict(
            type=model.type,
            data_preprocessor=dict(_delete_=True, **model.data_preprocessor),
            test_cfg=dict(_delete_=True, **model.test_cfg),
        ),
        train_dataloader=dict(dataset=dict(pipeline=pipeline)),
    )


def small_config(folder: Path, **changes: object) -> Config:
    cfg = load(TINY)
    cfg = Config(cfg._merge_a_into_b(changes, cfg._cfg_dict))
    if not changes:
        pipeline = cfg.train_dataloader.dataset.pipeline
        pipeline[-2].num_points = 1024
    cfg.merge_from_dict({**SMALL, 'work_dir': str(folder / 'work')})
    return cfg


@pytest.mark.parametrize('reading', ['blocks', 'scenes'])
def test_small_run(rooms: Path, tmp_path: Path, reading: str) -> None:
    changes = whole_scenes() if reading == 'scenes' else {}
    runner = Runner.from_cfg(small_config(tmp_path, **changes))
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert torch.isfinite(torch.tensor(scalars['train/loss'].data[0])).all()
    assert 0 <= scalars['val/miou'].current() <= 1
    for name in ('wall', 'floor', *(one[0] for one in FURNITURE)):
        assert f'val/{name}' in scalars
    # Every point of a scene gets a class.
    batch = next(iter(runner.val_dataloader))
    (sample,) = runner.model.eval().val_step(batch)
    assert sample.pred_pts_seg.pts_semantic_mask.shape == (6000,)
    assert sample.pts_seg_logits.pts_seg_logits.shape == (20, 6000)


def test_both_segmentors_say_the_same_of_a_block() -> None:
    cfg = peek(TINY).model.to_dict()
    cfg['backbone'].update(num_layers=1, num_groups=32)
    cfg['test_cfg'] = dict(mode='whole')
    stock = MODELS.build(cfg).eval()
    cfg.update(
        type='PointSegmentor',
        data_preprocessor=dict(type='PointCloudPreprocessor'),
    )
    cfg.pop('train_cfg')
    own = MODELS.build(cfg).eval()
    own.load_state_dict(stock.state_dict())
    points = torch.rand(2, 256, 3)
    inputs = dict(points=list(points))
    with torch.no_grad():
        expected = stock(inputs, mode='tensor')
        assert torch.equal(own(dict(points=points)), expected)
    assert expected.shape == (2, 20, 256)
