# ACT, stage II, on the RGB-D frames of ScanNet: the clouds and the schedule of
# the concept distillation; train act_dvae_scannet-frames.py first.
_base_ = [
    '../_base_/models/act_distiller.py',
    '../_base_/datasets/scannet_frames_clouds.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

stage1 = '{{$ACT_AUTOENCODER:default}}'
if stage1 == 'default':
    stage1 = 'work_dirs/act_dvae_scannet-frames' + _base_.teacher_suffix

model = dict(
    predicts=('losses',),
    objectives=dict(
        act=dict(
            target_generator=dict(
                checkpoint=stage1,
                stage1_config='configs/act/act_dvae_scannet-frames.py',
            )
        )
    ),
)

target_dataloader = None
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
]

val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
