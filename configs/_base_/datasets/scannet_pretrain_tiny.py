# ScanNet's scenes for short pretrainings on a CPU of two cores: 8192 points.
_base_ = './scannet_pretrain.py'

num_points = 8192

take_points = dict(
    type='SamplePoints', num_points=num_points, on_too_few='repeat'
)
scene_crops = dict(
    type='ScanNetScenes',
    data_root=_base_.data_root,
    split='train',
    samples_per_scene=8,
)
crop_scene = [dict(type='RandomCuboidCrop', min_points=12000), take_points]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        samples_per_scene=8,
        pipeline=[
            *_base_.load_scene,
            *crop_scene,
            *_base_.scene_augmentation,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            *_base_.load_scene,
            take_points,
            dict(type='PackPointInputs'),
        ]
    ),
)
test_dataloader = val_dataloader
# Crops without augmentation, for the statistics of targets.
target_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(
        **scene_crops,
        pipeline=[
            *_base_.load_scene,
            *crop_scene,
            dict(type='PackPointInputs'),
        ],
    ),
)
