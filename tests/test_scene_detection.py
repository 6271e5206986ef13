"""Detection in ScanNet's scenes: the configs at work on small rooms."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet3d_act.models.backbones import PointTransformer
from tests.config_files import RUN, load, peek
from tests.mini_scannet import write_scannet

TINY = 'act/act_3detr_scannet_tiny.py'
SMALL = {
    **RUN,
    'model.backbone.num_groups': 48,
    'model.bbox_head.num_queries': 16,
    'model.bbox_head.num_layers': 2,
    'train_dataloader.batch_size': 2,
}
TRAINING, EMPTY = 4, 3


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rooms with a flat box, without boxes, and without points.

    In both splits the second room has no box, the last one no point, and
    the first box of the first room no size.
    """
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    folder = write_scannet(tmp_path, num_scenes=TRAINING)
    for split in ('train', 'val'):
        path = folder / f'scannet_infos_{split}.pkl'
        listed = pickle.loads(path.read_bytes())
        listed['data_list'][0]['instances'][0]['bbox_3d'][3:] = [0, 0, 0]
        listed['data_list'][1]['instances'] = []
        path.write_bytes(pickle.dumps(listed))
    (folder / 'points' / f'scene{EMPTY:04d}_00.bin').write_bytes(b'')
    return folder


@pytest.fixture
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The weights of a pretraining that ACT_PRETRAINED names."""
    torch.manual_seed(1)
    cfg = peek(TINY).model.backbone
    keys = cfg.keys() - {'type', 'init_cfg', 'with_cls_token'}
    state = PointTransformer(**{key: cfg[key] for key in keys}).state_dict()
    path = tmp_path / 'epoch_1.pth'
    named = {f'student.{key}': value for key, value in state.items()}
    torch.save(dict(state_dict=named, meta={}), path)
    monkeypatch.setenv('ACT_PRETRAINED', str(path))
    return state


def small_config(folder: Path) -> Config:
    cfg = load(TINY)
    cfg.merge_from_dict({**SMALL, 'work_dir': str(folder / 'work')})
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'SamplePoints':
                step.num_points = 2048
    return cfg


def test_small_run(rooms: Path, tmp_path: Path, student: dict) -> None:
    runner = Runner.from_cfg(small_config(tmp_path))
    runner.train()
    scalars = runner.message_hub.log_scalars
    losses = torch.tensor(scalars['train/loss'].data[0])
    assert len(losses) == TRAINING // 2
    assert torch.isfinite(losses).all()
    for parameter in runner.model.parameters():
        assert torch.isfinite(parameter).all()
    # Both metrics, over the classes of boxes that there are.
    for name in ('published/mAP_0.25', 'published/mAP_0.50', 'mAP_0.25'):
        assert f'val/{name}' in scalars
    assert 0 <= scalars['val/published/mAP_0.25'].current() <= 1
    assert list((tmp_path / 'work').glob('best_published_mAP_0*.pth'))
    # It went on from the student, with steps of at most 0.002.
    moved = [
        (name, float((value.detach() - student[name]).abs().max()))
        for name, value in runner.model.backbone.named_parameters()
    ]
    assert all(size < 0.02 for _, size in moved)
    assert [name for name, size in moved if not size] == []
    batch = next(iter(runner.val_dataloader))
    found = runner.model.eval().val_step(batch)
    assert len(found) == TRAINING
    for sample in found:
        boxes = sample.pred_instances_3d.bboxes_3d
        assert torch.isfinite(boxes.tensor).all()
        assert len(boxes) == len(sample.pred_instances_3d.scores_3d)
    truth = [len(s.eval_ann_info['gt_labels_3d']) for s in found]
    assert truth == [3, 0, 3, 3]
    assert not batch['inputs']['points'][EMPTY].any()
