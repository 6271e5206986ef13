# ACT, fine-tuned for semantic segmentation on S3DIS: blocks of 1 m in
# training and validation; tools/test.py segments whole rooms in windows.
_base_ = [
    '../_base_/models/act_semantic_segmentor.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/semseg_60e.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    checkpoint=dict(save_best='blocks/miou', rule='greater', max_keep_ckpts=1)
)
custom_hooks = [*_base_.custom_hooks, dict(type='ClassWeightHook')]
val_cfg = dict()
test_cfg = dict()
