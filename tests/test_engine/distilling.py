"""A distillation that trains in milliseconds, with targets kept in advance.

As ``act_pretrain_shapenet_tiny.py``, in other sizes: a frozen autoencoder,
``CachedTarget``, whitening, patches that are the same in every epoch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from tests.small_data import ROOT, write_shapenet
from tests.test_models import toys

NUM_CLOUDS = 8


@HOOKS.register_module()
class DumpTargets(Hook):
    """Writes what a process knows of the targets, and the weights."""

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        cache = model.objectives['act'].target_generator
        torch.save(
            dict(
                targets={i: kept[0] for i, kept in cache._kept.items()},
                centers={i: kept[1] for i, kept in cache._kept.items()},
                weights=model.state_dict(),
            ),
            Path(runner.work_dir) / f'rank{get_rank()}.pth',
        )


CONFIG = f"""
_base_ = [{str(ROOT / 'configs/_base_/default_runtime.py')!r}]
custom_imports = dict(
    imports=['mmdet3d_act', 'tests.test_engine.distilling'],
    allow_failed_imports=False)
model = dict(
    type='Distiller',
    student={toys.STUDENT!r},
    mask=dict(type='RandomPatchMask', ratio=0.5),
    objectives=dict(act=dict(
        target_generator=dict(
            type='CachedTarget',
            generator=dict(
                type='AutoencoderTarget', autoencoder={toys.VAE!r},
                checkpoint='stage1.pth', noise=False)),
        target_norm=dict(
            type='TargetNorm', mode='whiten', num_channels={toys.DIMS}),
        neck=dict(
            type='MaskDecoder', embed_dims={toys.DIMS}, num_layers=1,
            num_heads=4, drop_path_rate=0.0),
        head=dict(
            type='FeatureHead', embed_dims={toys.DIMS},
            target_channels={toys.DIMS}))))
dataset = dict(
    type='ShapeNet55', data_root='data/ShapeNet55-34', split='train',
    static_pipeline=[
        dict(type='LoadPointCloud'),
        dict(type='SamplePoints', num_points=64, per_epoch=False),
        dict(type='NormalizeToUnitSphere'),
        dict(type='GroupPoints', num_groups={toys.NUM_GROUPS},
             group_size={toys.GROUP_SIZE})])
train_dataloader = dict(
    batch_size=2, num_workers=0, drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(**dataset, pipeline=[
        dict(type='RandomPointScaleShift', scale_range=(0.5, 2.0),
             shift_range=0.2),
        dict(type='PackPointInputs')]))
target_dataloader = dict(
    batch_size=3, num_workers=0,
    dataset=dict(**dataset, pipeline=[dict(type='PackPointInputs')]))
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=10)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=2))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=target_dataloader),
    dict(type='DumpTargets')]
visualizer = dict(vis_backends=[])
"""


def write_distillation(folder: Path) -> Path:
    """Write config, data and stage-I checkpoint; return the config."""
    write_shapenet(folder / 'data', train=NUM_CLOUDS)
    state = toys.vae(seed=5).state_dict()
    torch.save(dict(state_dict=state), folder / 'stage1.pth')
    path = folder / 'distil.py'
    path.write_text(CONFIG, encoding='utf-8')
    return path
