# ACT, stage I, on the RGB-D frames of ScanNet, without their images.
_base_ = [
    '../_base_/models/act_autoencoder.py',
    '../_base_/datasets/scannet_frames_clouds.py',
    '../_base_/schedules/act_dvae_300e.py',
    '../_base_/default_runtime.py',
]

model = _base_.autoencoder

target_dataloader = None
train_dataloader = dict(batch_size=64)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
    dict(
        type='ScheduledValueHook',
        attribute='temperature',
        schedule=dict(start=1.0, end=0.0625, num_steps=100000),
    ),
    dict(
        type='ScheduledValueHook',
        attribute='kl_weight',
        schedule=dict(start=0.0, end=0.1, num_steps=100000, hold=10000),
    ),
]

val_evaluator = dict(type='ReconstructionMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
