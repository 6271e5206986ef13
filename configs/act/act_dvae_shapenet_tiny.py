# ACT, stage I, for a CPU of two cores and for small data sets.
_base_ = [
    '../_base_/models/act_autoencoder_tiny.py',
    '../_base_/datasets/shapenet55_tiny.py',
    '../_base_/schedules/dvae_tiny.py',
    '../_base_/default_runtime.py',
]

model = _base_.autoencoder

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
        # At 0.1, the paper's, so few codes say little about a patch; see
        # docs/results.md.
        schedule=dict(start=0.0, end=0.01, fraction=1.0),
    ),
]

val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapeNet55',
        data_root=_base_.shapenet_root,
        split='test',
        test_mode=True,
        static_pipeline=_base_.shapenet_static_pipeline,
        pipeline=[dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ReconstructionMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
