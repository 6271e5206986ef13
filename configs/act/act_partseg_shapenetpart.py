# ACT, fine-tuned for part segmentation on ShapeNetPart.
_base_ = [
    '../_base_/models/act_part_segmentor.py',
    '../_base_/datasets/shapenet_part.py',
    '../_base_/schedules/partseg_300e.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    checkpoint=dict(
        save_best='instance_miou', rule='greater', max_keep_ckpts=1
    )
)
val_cfg = dict()
test_cfg = dict()
