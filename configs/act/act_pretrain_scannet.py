# ACT, stage II, on crops of ScanNet's scenes: the detector's 2048 patches;
# train act_dvae_scannet.py first. The rate is for 128 crops at once, 16 GPUs;
# --auto-scale-lr for others.
_base_ = [
    '../_base_/models/act_distiller.py',
    '../_base_/datasets/scannet_pretrain.py',
    '../_base_/schedules/act_pretrain_300e.py',
    '../_base_/default_runtime.py',
]

stage1 = '{{$ACT_AUTOENCODER:default}}'
if stage1 == 'default':
    stage1 = 'work_dirs/act_dvae_scannet' + _base_.teacher_suffix
num_groups = 2048

model = dict(
    student=dict(num_groups=num_groups),
    objectives=dict(
        act=dict(
            target_generator=dict(
                autoencoder=dict(num_groups=num_groups, chunk_size=1),
                checkpoint=stage1,
                stage1_config='configs/act/act_dvae_scannet.py',
            )
        )
    ),
    predicts=('losses',),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
]

# Scenes have no label that a probe could predict.
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
