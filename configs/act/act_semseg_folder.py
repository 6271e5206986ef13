# ACT, fine-tuned on a folder of your own scans with labels per point:
# ACT_CLOUDS=FOLDER; classes and splits are those of the folder.
_base_ = [
    '../_base_/models/act_scene_segmentor.py',
    '../_base_/datasets/scene_folder_seg.py',
    '../_base_/schedules/scene_semseg_200e.py',
    '../_base_/default_runtime.py',
]

classes_from_data = True
model = dict(
    decode_head=dict(num_classes=2, ignore_index=255),
    test_cfg=dict(block_size=_base_.block_size),
)
default_hooks = dict(
    checkpoint=dict(save_best='miou', rule='greater', max_keep_ckpts=1)
)
