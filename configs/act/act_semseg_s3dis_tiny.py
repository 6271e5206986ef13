# Semantic segmentation on S3DIS, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_semantic_segmentor_tiny.py',
    '../_base_/datasets/s3dis_tiny.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(save_best='blocks/miou', rule='greater', max_keep_ckpts=1),
)
custom_hooks = [*_base_.custom_hooks, dict(type='ClassWeightHook')]
val_cfg = dict()
test_cfg = dict()
