# ACT, stage II, on crops of ScanNet's scenes, for a CPU of two cores; train
# act_dvae_scannet_tiny.py first.
_base_ = [
    '../_base_/models/act_distiller_tiny.py',
    '../_base_/datasets/scannet_pretrain_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

num_groups = 256

# Crops differ in every epoch, so that no target can be computed in advance but
# the targets' statistics.
model = dict(
    student=dict(num_groups=num_groups),
    objectives=dict(
        act=dict(
            target_generator=dict(
                _delete_=True,
                type='AutoencoderTarget',
                autoencoder=dict(_base_.autoencoder, num_groups=num_groups),
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_scannet_tiny}}',
                stage1_config='configs/act/act_dvae_scannet_tiny.py',
                noise=False,
            )
        )
    ),
    predicts=('losses',),
)
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=_base_.target_dataloader),
    dict(type='ReconstructionHook', interval=24),
]

# Scenes have no label that a probe could predict.
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
