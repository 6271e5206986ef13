# ACT, fine-tuned for semantic segmentation on ScanNet: blocks of 1.5 m in
# training, whole scenes in windows in validation and test.
_base_ = [
    '../_base_/models/act_scene_segmentor.py',
    '../_base_/datasets/scannet_seg.py',
    '../_base_/schedules/scene_semseg_200e.py',
    '../_base_/scene_runtime.py',
]

default_hooks = dict(
    checkpoint=dict(save_best='miou', rule='greater', max_keep_ckpts=1)
)
