"""The code of docs/plugin.md and docs/backbone.md, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS

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


STOCK = {
    'h3dnet/h3dnet_8xb3_scannet-seg': 256,
    'dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5': 64,
    'paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg': 64,
}


@pytest.mark.parametrize('name', STOCK)
def test_other_stock_heads(name: str) -> None:
    """Heads of networks of another kind, as the page says."""
    from mmengine.hub import get_config

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
    batch = built.data_preprocessor(rooms(3), training=True)
    for sample in batch['data_samples']:
        masks = sample.gt_pts_seg
        masks.pts_semantic_mask %= 13
        if 'h3dnet' in name:
            # Objects are numbered as the boxes; what is none comes last.
            none = masks.pts_instance_mask == 0
            masks.pts_semantic_mask[none] = 18
            masks.pts_instance_mask[none] = 4
            masks.pts_instance_mask -= 1
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
