"""The configs in docs/plugin.md run as they stand, with smaller numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
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
SIZES = dict(embed_dims=32, num_layers=1, num_heads=4)
pytestmark = pytest.mark.usefixtures('mmdet3d_scope')


def config_of(block: str, folder: Path) -> Config:
    path = folder / 'config.py'
    path.write_text(block)
    return Config.fromfile(path)


def small_model(block: str, folder: Path) -> torch.nn.Module:
    """Return the model of a config on the page, as a Runner makes it."""
    cfg = config_of(block, folder)
    assert cfg.custom_imports.imports == ['mmdet3d_act']
    torch.manual_seed(0)
    state = PointTransformer(**SIZES).state_dict()
    torch.save(dict(state_dict=state), folder / 'student.pth')
    cfg.model.backbone.update(SIZES, num_groups=256)
    cfg.model.backbone.init_cfg.checkpoint = str(folder / 'student.pth')
    cfg.model.neck.in_channels = SIZES['embed_dims']
    model = MODELS.build(cfg.model)
    model.init_weights()
    filled = model.backbone.state_dict()
    assert all(torch.equal(filled[key], state[key]) for key in state)
    return model


def rooms(channels: int, num_points: int = 1024) -> dict:
    """Return a batch of two rooms, with boxes and masks."""
    import numpy as np
    from mmdet3d.structures import DepthInstance3DBoxes, Det3DDataSample

    points, samples = [], []
    for seed in range(2):
        made = room(np.random.default_rng(seed), num_points)
        points.append(torch.from_numpy(made['points'][:, :channels]))
        sample = Det3DDataSample()
        sample.set_metainfo(dict(box_type_3d=DepthInstance3DBoxes))
        sample.gt_instances_3d = InstanceData(
            bboxes_3d=DepthInstance3DBoxes(
                made['boxes'],
                box_dim=6,
                with_yaw=False,
                origin=(0.5, 0.5, 0.5),
            ),
            labels_3d=torch.tensor([1, 2, 4]),
        )
        sample.gt_pts_seg = point_data(
            pts_semantic_mask=torch.from_numpy(made['semantic_mask']) % 18,
            pts_instance_mask=torch.from_numpy(made['instance_mask']),
        )
        samples.append(sample)
    return dict(inputs=dict(points=points), data_samples=samples)


@pytest.mark.parametrize(
    ('block', 'channels'), [(BLOCKS[0], 4), (BLOCKS[1], 3)]
)
def test_runs_forward_and_backward(
    block: str, channels: int, tmp_path: Path
) -> None:
    assert mmcv_cpu.KERNELS
    model = small_model(block, tmp_path)
    batch = model.data_preprocessor(rooms(channels), training=True)
    losses = model.train()(**batch, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    for name, parameter in model.named_parameters():
        if 'cls_' in name:
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert model.backbone.patch_embed.conv1.weight.grad.any()
    if 'votenet' in block:
        model.eval().test_cfg.score_thr = 0.0
        (first, _) = model(**batch, mode='predict')
        assert len(first.pred_instances_3d.bboxes_3d) > 0


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
