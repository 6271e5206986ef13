# Semantic segmentation on ScanNet, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_scene_segmentor_tiny.py',
    '../_base_/datasets/scannet_seg_tiny.py',
    '../_base_/schedules/scene_semseg_tiny.py',
    '../_base_/scene_runtime.py',
]

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(save_best='miou', rule='greater', max_keep_ckpts=1),
)
val_cfg = dict()
test_cfg = dict()
