# Segmentation of a folder of your own scans, for a CPU of two cores:
# ACT_CLOUDS=FOLDER, ACT_PRETRAINED=act-mini.
_base_ = [
    '../_base_/models/act_scene_segmentor_tiny.py',
    '../_base_/datasets/scene_folder_seg.py',
    '../_base_/schedules/scene_semseg_tiny.py',
    '../_base_/default_runtime.py',
]

classes_from_data = True
model = dict(
    decode_head=dict(num_classes=2, ignore_index=255),
    test_cfg=dict(block_size=_base_.block_size),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='LoadFolderScene'),
            dict(_base_.take_block, num_points=4096),
            dict(type='PackPointInputs'),
        ]
    ),
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(save_best='miou', rule='greater', max_keep_ckpts=1),
)
