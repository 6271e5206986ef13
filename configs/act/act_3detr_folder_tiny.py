# Detection in a folder of your own scans, for a CPU of two cores:
# ACT_CLOUDS=FOLDER, ACT_PRETRAINED=act-mini.
_base_ = [
    '../_base_/models/act_3detr_tiny.py',
    '../_base_/datasets/scene_folder_det.py',
    '../_base_/schedules/3detr_tiny.py',
    '../_base_/detection_runtime.py',
]

classes_from_data = True
take_points = dict(_base_.take_points, num_points=8192)
# Whole scans: crops slow a short training down.
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='LoadFolderScene'),
            take_points,
            *_base_.scene_augmentation,
            dict(type='PackPointInputs'),
        ]
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='LoadFolderScene'),
            take_points,
            dict(type='PackPointInputs'),
        ]
    ),
)
test_dataloader = val_dataloader
default_hooks = dict(logger=dict(interval=10))
