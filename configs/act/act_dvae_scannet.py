# ACT, stage I, on crops of ScanNet's scenes: the detector's 2048 patches. The
# rate is for 64 crops at once, 8 GPUs; --auto-scale-lr for others.
_base_ = [
    '../_base_/models/act_autoencoder.py',
    '../_base_/datasets/scannet_pretrain.py',
    '../_base_/schedules/act_dvae_300e.py',
    '../_base_/default_runtime.py',
]

# Their logits, half a gigabyte in a batch of 8, are held one scene at a time.
model = dict(_base_.autoencoder, num_groups=2048, chunk_size=1)

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
    # The shares of the published training that its 100 000 steps are.
    dict(
        type='ScheduledValueHook',
        attribute='temperature',
        schedule=dict(start=1.0, end=0.0625, fraction=0.5),
    ),
    dict(
        type='ScheduledValueHook',
        attribute='kl_weight',
        schedule=dict(start=0.0, end=0.1, fraction=0.5, hold_fraction=0.05),
    ),
]

val_evaluator = dict(type='ReconstructionMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
