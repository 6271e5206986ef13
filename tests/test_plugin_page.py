"""The code of docs/plugin.md and docs/backbone.md, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthInstance3DBoxes, Det3DDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.structures import InstanceData

from mmdet3d_act import mmcv_cpu
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS, point_data
from tests.mini_scannet import room

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'plugin.md'
BLOCKS = [
    block
    for block in re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
    if '_base_' in block
]
pytestmark = pytest.mark.usefixtures('mmdet3d_scope')


@pytest.mark.parametrize('block', BLOCKS)
def test_the_models_of_the_page_are_built(block: str, tmp_path: Path) -> None:
    """They are those of projects/ACT, whose trainings are tested."""
    path = tmp_path / 'config.py'
    path.write_text(block)
    cfg = Config.fromfile(path)
    assert cfg.custom_imports.imports == ['mmdet3d_act']
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert type(model.backbone) is PointTransformer
    assert model.neck.conv.in_channels == model.backbone.embed_dims


SIZES = dict(embed_dims=32, num_layers=1, num_heads=4)
STOCK = {
    'h3dnet/h3dnet_8xb3_scannet-seg': 256,
    'dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5': 64,
    'paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg': 64,
}


def rooms() -> dict:
    """Return a batch of two rooms with boxes and masks, as H3DNet has them."""
    points, samples = [], []
    for seed in range(2):
        made = room(np.random.default_rng(seed), 1024)
        points.append(torch.from_numpy(made['points'][:, :3]))
        sample = Det3DDataSample()
        sample.set_metainfo(dict(box_type_3d=DepthInstance3DBoxes))
        boxes = DepthInstance3DBoxes(
            made['boxes'],
            box_dim=6,
            with_yaw=False,
            origin=(0.5, 0.5, 0.5),
        )
        sample.gt_instances_3d = InstanceData(
            bboxes_3d=boxes, labels_3d=torch.tensor([1, 2, 4])
        )
        # Objects are numbered as the boxes; what is none comes last.
        semantic, instance = (
            torch.from_numpy(made[f'{kind}_mask'])
            for kind in ('semantic', 'instance')
        )
        none = instance == 0
        sample.gt_pts_seg = point_data(
            pts_semantic_mask=semantic.masked_fill(none, 18),
            pts_instance_mask=instance.masked_fill(none, 4) - 1,
        )
        samples.append(sample)
    return dict(inputs=dict(points=points), data_samples=samples)


@pytest.mark.parametrize('name', STOCK)
def test_other_stock_heads(name: str) -> None:
    """Heads of networks of another kind, as the page says."""
    assert mmcv_cpu.KERNELS
    model, width = get_config(f'mmdet3d::{name}.py').model, STOCK[name]
    groups = 1024 if 'h3dnet' in name else 256
    model.backbone = dict(type='PointTransformer', num_groups=groups, **SIZES)
    model.neck = dict(
        type='PatchProjection',
        in_channels=SIZES['embed_dims'],
        out_channels=width,
        per_point='dgcnn' in name,
    )
    if 'h3dnet' not in name:
        channels = (width, 64) if 'dgcnn' in name else ((width, 64, 64),)
        model.decode_head.update(fp_channels=channels, channels=64)
        # It is of PAConv's layers, which the backbone does not have.
        model.loss_regularization = None
    torch.manual_seed(0)
    built = MODELS.build(model).train()
    batch = built.data_preprocessor(rooms(), training=True)
    if 'h3dnet' not in name:
        for sample in batch['data_samples']:
            sample.gt_pts_seg.pts_semantic_mask %= 13
    losses = built(**batch, mode='loss')
    total, _ = built.parse_losses(losses)
    assert torch.isfinite(total)
    # H3DNet's refinement adds in place to what its ReLU keeps.
    (losses['vote_loss'] if 'h3dnet' in name else total).backward()
    assert built.backbone.patch_embed.conv1.weight.grad.any()


def test_the_backbone_page_runs(tmp_path: Path) -> None:
    page = PAGE.with_name('backbone.md').read_text()
    code = ''.join(re.findall(r'```python\n(.*?)```', page, re.S)[:2])
    state = PointTransformer(num_groups=128).state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'student.pth')
    noted = 'work_dirs/act_pretrain_shapenet/epoch_300.pth'
    found: dict = {}
    exec(code.replace(noted, str(tmp_path / 'student.pth')), found)
    assert found['output']['features'].shape == (2, 384, 128)
    assert found['output']['centers'].shape == (2, 128, 3)
    assert found['per_point'].shape == (2, 2048, 384)
    # A patch's own centre has its features.
    centers, rows = found['output']['centers'], found['rows']
    again = found['three_interpolate'](centers, centers, rows)
    torch.testing.assert_close(again, rows, rtol=1e-3, atol=1e-3)
