# Part segmentation on ShapeNetPart, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_part_segmentor_tiny.py',
    '../_base_/datasets/shapenet_part_tiny.py',
    '../_base_/schedules/partseg_tiny.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(
        save_best='instance_miou', rule='greater', max_keep_ckpts=1
    ),
)
val_cfg = dict()
test_cfg = dict()
