"""projects/ACT: stock models of MMDetection3D with our backbone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS
from tests.mini_scannet import write_scannet
from tests.small_data import ROOT

PROJECT = ROOT / 'projects' / 'ACT'
CONFIGS = sorted((PROJECT / 'configs').glob('*.py'))
TINY = [path for path in CONFIGS if path.stem.endswith('_tiny')]
STOCK = dict(
    votenet='votenet/votenet_8xb8_scannet-3d.py',
    pointnet2='pointnet2/'
    'pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py',
)
# What may differ from the stock config: backbone, neck, channel numbers of
# heads, the import, and what mends two faults of the stock data config.
CHANGES = (
    'model.backbone.',
    'model.neck.',
    'model.decode_head.fp_channels',
    'custom_imports.',
    'backbone.',
    'embed_dims',
    'imports_without_gpu.',
    'tiny_student.',
    'scene_idxs',
    'train_dataloader.dataset.scene_idxs',
)
# Those of the test get one step more.
PIPELINES = {
    'test_pipeline',
    'test_dataloader.dataset.pipeline',
    'val_dataloader.dataset.pipeline',
}
OF_TINY = (
    'model.bbox_head.vote_aggregation_cfg.num_point',
    'train_dataloader.batch_size',
    'train_dataloader.num_workers',
)
SMALL_RUN = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'default_hooks.logger.interval': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.batch_size': 2,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'model.backbone.num_groups': 64,
}


def options_of(name: str) -> dict:
    """Return what makes a run of a tiny config short."""
    if 'votenet' in name:
        of_model = {
            'train_dataloader.dataset.times': 1,
            'model.bbox_head.vote_aggregation_cfg.num_point': 16,
        }
    else:
        of_model = {
            'model.test_cfg.num_points': 2048,
            'train_dataloader.dataset.pipeline.3.num_points': 2048,
        }
    return {**SMALL_RUN, **of_model}


@pytest.fixture(scope='module')
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as the pretraining of the tiny student writes it."""
    torch.manual_seed(1)
    cfg = Config.fromfile(TINY[0]).model.backbone
    made = PointTransformer(
        **{k: v for k, v in cfg.items() if k not in ('type', 'init_cfg')}
    )
    state = {f'student.{k}': v for k, v in made.state_dict().items()}
    path = tmp_path_factory.mktemp('student') / 'epoch_1.pth'
    torch.save(dict(state_dict=state, meta={}), path)
    return path


@pytest.fixture
def bare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, student: Path
) -> Path:
    """A tree with the project and data as MMDetection3D has them."""
    shutil.copytree(PROJECT, tmp_path / 'projects' / 'ACT')
    write_scannet(tmp_path / 'data')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('ACT_PRETRAINED', str(student))
    return tmp_path


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def unscoped(node: object) -> object:
    """Return a config without the scopes that MMEngine notes in it."""
    if isinstance(node, dict):
        return {k: unscoped(v) for k, v in node.items() if k != '_scope_'}
    if isinstance(node, list | tuple):
        return [unscoped(one) for one in node]
    return node


def flat(node: object, name: str = '') -> dict[str, object]:
    if isinstance(node, dict):
        found = {}
        for key, value in node.items():
            found.update(flat(value, f'{name}.{key}' if name else key))
        return found
    return {name: node}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_only_backbone_neck_and_channels_are_changed(
    path: Path, tmp_path: Path
) -> None:
    model = path.stem.split('_')[1]
    same = tmp_path / 'stock.py'
    same.write_text(f"_base_ = 'mmdet3d::{STOCK[model]}'\n")
    stock = flat(unscoped(Config.fromfile(same).to_dict()))
    ours = flat(unscoped(Config.fromfile(path).to_dict()))
    names = stock.keys() | ours.keys()
    changed = {n for n in names if stock.get(n) != ours.get(n)}
    allowed = CHANGES + (OF_TINY if path in TINY else ())
    mended = {n for n in changed if n.endswith('pipeline')}
    assert mended == (PIPELINES if model == 'pointnet2' else set())
    for name in mended:
        steps = list(stock[name])
        steps.insert(2, dict(type='PointSegClassMapping'))
        assert ours[name] == steps
    rest = changed - mended
    assert {n for n in rest if not n.startswith(allowed)} == set()
    with torch.device('meta'):
        built = MODELS.build(Config.fromfile(path).model)
    assert type(built.backbone) is PointTransformer


@pytest.mark.parametrize('path', TINY, ids=lambda path: path.stem)
def test_trains_and_validates(path: Path, bare: Path, student: Path) -> None:
    cfg = Config.fromfile(bare / path.relative_to(ROOT))
    cfg.merge_from_dict(options_of(path.stem))
    cfg.work_dir = str(bare / 'work')
    # MMDetection3D's visualizer wants open3d.
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.default_hooks.pop('visualization')
    runner = Runner.from_cfg(cfg)
    runner.train()
    backbone = runner.model.backbone
    start = torch.load(student, weights_only=True)['state_dict']
    moved = {
        name: bool((p.detach() != start[f'student.{name}']).any())
        for name, p in backbone.named_parameters()
    }
    # Biases before a norm have no gradient but rounding.
    still = {name for name in moved if not moved[name] and 'cls' not in name}
    assert still <= {'patch_embed.conv1.bias', 'patch_embed.conv3.bias'}
    # It went on from the student: a learning rate of at most 0.008.
    name = 'pos_embed.fc1.weight'
    near = backbone.state_dict()[name] - start[f'student.{name}']
    assert near.abs().max() < 0.1
    scalars = runner.message_hub.log_scalars
    losses = scalars['train/loss'].data[0]
    assert len(losses) == (2 if 'pointnet2' in path.stem else 1)
    assert torch.isfinite(torch.tensor(losses)).all()
    key = 'miou' if 'pointnet2' in path.stem else 'mAP_0.25'
    assert f'val/{key}' in scalars
