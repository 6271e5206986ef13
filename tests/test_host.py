"""MMDetection3D's and MMEngine's own interfaces on each kind of our models."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

from mmdet3d_act import compat
from mmdet3d_act.registry import MODELS
from tests.config_files import load
from tests.mini_scannet import room, write_scannet
from tests.segmentation_data import write_rooms

mmdet3d = pytest.importorskip('mmdet3d')
apis = pytest.importorskip('mmdet3d.apis')

DETECTOR = '3detr/3detr_scannet_tiny.py'
SCENES = 'act/act_semseg_scannet_tiny.py'
ROOMS = 'act/act_semseg_s3dis.py'
PARTS = 'act/act_partseg_shapenetpart_tiny.py'
CLASSIFIER = 'act/act_cls_modelnet40_tiny.py'
KINDS = (DETECTOR, SCENES, ROOMS, PARTS, CLASSIFIER)
TOOLS = Path(mmdet3d.__file__).parent / '.mim' / 'tools'
SMALL = {
    DETECTOR: {
        'model.backbone.num_layers': 1,
        'model.backbone.num_groups': 64,
        'model.bbox_head.num_queries': 32,
        'model.bbox_head.num_layers': 1,
    },
    SCENES: {
        'model.backbone.num_layers': 1,
        'model.backbone.num_groups': 32,
        'model.test_cfg.num_points': 512,
    },
    ROOMS: {
        'model.backbone.embed_dims': 96,
        'model.backbone.num_layers': 3,
        'model.backbone.num_groups': 32,
        'model.backbone.out_indices': (0, 1, 2),
        'model.decode_head.in_channels': 288,
        'model.decode_head.propagation_channels': (64, 32),
        'model.decode_head.channels': (32, 16),
        'model.test_cfg.num_points': 512,
        'model.test_cfg.num_votes': 1,
    },
}
# What MMDetection3D reads of a file of rows without a header.
ROWS = [
    dict(
        type='LoadPointsFromFile',
        coord_type='DEPTH',
        load_dim=6,
        use_dim=[0, 1, 2],
    ),
    dict(type='PackPointInputs'),
]


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_scannet(tmp_path, num_points=1500)
    return tmp_path


def small_config(name: str) -> Config:
    cfg = load(name)
    cfg.merge_from_dict(SMALL.get(name, {}))
    cfg.model.backbone.init_cfg = None
    return cfg


def weights_of(name: str, folder: Path) -> str:
    """Write a checkpoint as a training does."""
    cfg = small_config(name)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    meta = dict(dataset_meta=dict(classes=('a', 'b'), palette=[[0, 0, 0]] * 2))
    path = str(folder / 'epoch_1.pth')
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def init_model(name: str, folder: Path) -> torch.nn.Module:
    weights = weights_of(name, folder)
    return apis.init_model(small_config(name), weights, device='cpu')


def write_scan(path: Path, num_points: int, scale: float = 1.0) -> str:
    rows = room(np.random.default_rng(0), num_points)['points']
    rows[:, :3] *= scale
    rows.tofile(path)
    return str(path)


@pytest.mark.parametrize('name', KINDS)
def test_init_model(name: str, data: Path) -> None:
    model = init_model(name, data)
    assert not model.training
    assert model.cfg.model.train_cfg is None
    assert model.dataset_meta['classes'] == ('a', 'b')


@pytest.mark.parametrize('name', KINDS)
def test_operations_are_counted(name: str) -> None:
    model = MODELS.build(small_config(name).model).eval()
    if name == PARTS:
        # Its second input is the object's category.
        inputs = dict(points=torch.rand(1, 256, 3))
        inputs['shape_label'] = torch.zeros(1, dtype=torch.int64)
        found = get_model_complexity_info(
            model, inputs=(inputs,), show_table=False, show_arch=False
        )
    else:
        found = get_model_complexity_info(
            model, (256, 3), show_table=False, show_arch=False
        )
    assert found['params'] == sum(one.numel() for one in model.parameters())
    assert found['flops'] > found['params']


def test_inference_detector(data: Path) -> None:
    model = init_model(DETECTOR, data)
    scan = write_scan(data / 'scan.bin', 1200)
    np.random.seed(0)  # which points are taken
    found, read = apis.inference_detector(model, scan)
    assert read['data_samples'].lidar_path == scan
    boxes = found.pred_instances_3d
    assert len(boxes.bboxes_3d) == len(boxes.scores_3d) > 0
    rows = np.fromfile(scan, np.float32).reshape(-1, 6)
    np.random.seed(0)
    (same, _), _ = apis.inference_detector(model, [rows, rows])
    assert torch.equal(same.pred_instances_3d.scores_3d, boxes.scores_3d)


@pytest.mark.parametrize('name', [SCENES, ROOMS])
def test_inference_segmentor(name: str, data: Path) -> None:
    model = init_model(name, data)
    if name == ROOMS:
        files = sorted(map(str, write_rooms(data).rglob('*.npy')))[:2]
        sizes = [len(np.load(file)) for file in files]
    else:
        sizes = [1200, 700]
        files = [write_scan(data / f'{size}.bin', size) for size in sizes]
    found, _ = apis.inference_segmentor(model, files)
    masks = [one.pred_pts_seg.pts_semantic_mask for one in found]
    assert [len(mask) for mask in masks] == sizes
    alone, _ = apis.inference_segmentor(model, files[1])
    assert torch.equal(alone.pred_pts_seg.pts_semantic_mask, masks[1])


@pytest.mark.parametrize(
    ('name', 'inferencer', 'key'),
    [
        (DETECTOR, 'LidarDet3DInferencer', 'bboxes_3d'),
        (SCENES, 'LidarSeg3DInferencer', 'pts_semantic_mask'),
        (ROOMS, 'LidarSeg3DInferencer', 'pts_semantic_mask'),
    ],
)
def test_inferencers(name: str, inferencer: str, key: str, data: Path) -> None:
    cfg = small_config(name)
    if name == ROOMS:
        cfg.test_dataloader.dataset.pipeline = ROWS
    weights = weights_of(name, data)
    infer = getattr(apis, inferencer)(cfg, weights, device='cpu')
    scan = write_scan(data / 'scan.bin', 1200)
    np.random.seed(0)  # which points are taken
    out = infer(dict(points=scan), out_dir='out', no_save_vis=True)
    (found,) = out['predictions']
    written = json.loads(Path('out/preds/scan.json').read_text())
    assert written[key] == found[key]
    assert found['box_type_3d'] == 'Depth'
    rows = np.fromfile(scan, np.float32).reshape(-1, 6)
    rows = rows[:, :3] if name == ROOMS else rows
    np.random.seed(0)
    (same,) = infer(dict(points=rows))['predictions']
    assert same[key] == found[key]


def run_tool(name: str, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [name, *arguments])
        runpy.run_path(str(TOOLS / name), run_name='__main__')


def write_config(name: str, folder: Path) -> str:
    path = str(folder / 'config.py')
    small_config(name).dump(path)
    return path


@pytest.mark.parametrize('name', [DETECTOR, SCENES])
def test_their_test_tool_looks_at_several_views(
    name: str, data: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = weights_of(name, data)
    run_tool('test.py', write_config(name, data), weights, '--tta')
    shown = capsys.readouterr().out
    assert ('miou' if name == SCENES else 'published/mAP_0.25') in shown


@pytest.mark.parametrize(
    ('name', 'task'), [(DETECTOR, 'lidar_det'), (SCENES, 'lidar_seg')]
)
@pytest.mark.parametrize('tool', ['test.py', 'misc/browse_dataset.py'])
def test_their_tools_draw(
    tool: str,
    name: str,
    task: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is drawn; a window needs a display."""
    from mmdet3d.visualization import Det3DLocalVisualizer

    drawn = []

    def add(self: object, name: str, inputs: dict, **options: object) -> None:
        drawn.append((len(inputs['points']), options['vis_task']))

    monkeypatch.setattr(Det3DLocalVisualizer, 'add_datasample', add)
    config = write_config(name, data)
    if tool == 'test.py':
        weights = weights_of(name, data)
        run_tool(tool, config, weights, '--show', '--task', task)
        assert drawn == [(1500, task)] * 2
    else:
        # They build it without a Runner, which names it after the run.
        named = ('--cfg-options', 'visualizer.name=browse')
        run_tool(tool, config, '--not-show', '--task', task, *named)
        assert [one[1] for one in drawn] == [task] * len(drawn)
        assert len(drawn) >= 2


def test_names_of_configs(data: Path) -> None:
    cfg = get_config('mmdet3d_act::act/act_pretrain_shapenet.py')
    assert cfg.model.type == 'Distiller'
    child = data / 'child.py'
    child.write_text(f"_base_ = 'mmdet3d_act::{CLASSIFIER}'\n")
    assert Config.fromfile(child).model.type == 'PointClassifier'
    stock = get_config('mmdet3d::votenet/votenet_8xb8_scannet-3d.py')
    assert stock.model.type == 'VoteNet'
    before = Config._get_cfg_path
    compat.register_config_scope()
    assert Config._get_cfg_path is before
