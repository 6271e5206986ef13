"""Detection and segmentation in ScanNet's scenes: configs at work."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmdet3d_act.models.backbones import PointTransformer
from tests.config_files import RUN, load, peek
from tests.mini_scannet import FURNITURE, write_scannet

pytestmark = pytest.mark.usefixtures('mmdet3d_scope')
DETECTION = 'act/act_3detr_scannet_tiny.py'
SMALL_DETECTION = {
    **RUN,
    'model.backbone.num_groups': 48,
    'model.bbox_head.num_queries': 16,
    'model.bbox_head.num_layers': 2,
    'train_dataloader.batch_size': 2,
}
TRAINING, EMPTY = 4, 3


@pytest.fixture
def odd_rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    cfg = peek(DETECTION).model.backbone
    keys = cfg.keys() - {'type', 'init_cfg', 'with_cls_token'}
    state = PointTransformer(**{key: cfg[key] for key in keys}).state_dict()
    path = tmp_path / 'epoch_1.pth'
    named = {f'student.{key}': value for key, value in state.items()}
    torch.save(dict(state_dict=named, meta={}), path)
    monkeypatch.setenv('ACT_PRETRAINED', str(path))
    return state


def detection_config(folder: Path) -> Config:
    cfg = load(DETECTION)
    cfg.merge_from_dict({**SMALL_DETECTION, 'work_dir': str(folder / 'work')})
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'SamplePoints':
                step.num_points = 2048
    return cfg


def test_detection(odd_rooms: Path, tmp_path: Path, student: dict) -> None:
    runner = Runner.from_cfg(detection_config(tmp_path))
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


SEGMENTATION = 'act/act_semseg_scannet_tiny.py'
SMALL_SEGMENTATION = {
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


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    return write_scannet(tmp_path)


def segmentation_config(folder: Path) -> Config:
    cfg = load(SEGMENTATION)
    cfg.train_dataloader.dataset.pipeline[-2].num_points = 1024
    cfg.merge_from_dict(
        {**SMALL_SEGMENTATION, 'work_dir': str(folder / 'work')}
    )
    return cfg


def test_segmentation(rooms: Path, tmp_path: Path) -> None:
    runner = Runner.from_cfg(segmentation_config(tmp_path))
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
