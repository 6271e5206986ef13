# ACT, stage I, on crops of ScanNet's scenes, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_autoencoder_tiny.py',
    '../_base_/datasets/scannet_pretrain_tiny.py',
    '../_base_/schedules/dvae_tiny.py',
    '../_base_/default_runtime.py',
]

model = dict(_base_.autoencoder, num_groups=256)

target_dataloader = None
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=4),
    dict(
        type='ScheduledValueHook',
        attribute='temperature',
        schedule=dict(start=1.0, end=0.0625, fraction=1.0),
    ),
    dict(
        type='ScheduledValueHook',
        attribute='kl_weight',
        # As in act_dvae_shapenet_tiny.py.
        schedule=dict(start=0.0, end=0.01, fraction=1.0),
    ),
]

val_evaluator = dict(type='ReconstructionMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
