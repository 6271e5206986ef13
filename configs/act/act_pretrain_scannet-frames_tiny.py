# ACT, stage II, on RGB-D frames, for a CPU of two cores; train
# act_dvae_scannet-frames_tiny.py first.
_base_ = [
    '../_base_/models/act_distiller_tiny.py',
    '../_base_/datasets/scannet_frames_clouds_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

# Targets of frames that are not in the training are computed.
model = dict(
    predicts=('losses',),
    objectives=dict(
        act=dict(
            target_generator=dict(
                _delete_=True,
                type='AutoencoderTarget',
                autoencoder=_base_.autoencoder,
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_scannet-frames_tiny}}',
                stage1_config='configs/act/act_dvae_scannet-frames_tiny.py',
                noise=False,
            )
        )
    ),
)

default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=_base_.target_dataloader),
    dict(type='ReconstructionHook', interval=24),
]

val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
