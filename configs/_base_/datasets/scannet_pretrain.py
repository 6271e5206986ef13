# ScanNet's scenes for pretraining, without labels: 20 000 points of a crop in
# metres, where it lies in its aligned room. The papers give no settings: the
# crops and augmentations are those of the detector.
_base_ = 'mmdet3d::_base_/datasets/scannet-3d.py'

data_root = '{{$ACT_DATA_ROOT:data/}}/scannet'
num_points = 20000

load_scene = [
    dict(type='LoadScene'),
    dict(type='GlobalAlignment', rotation_axis=2),
]
scene_augmentation = [
    dict(
        type='RandomFlip3D',
        sync_2d=False,
        flip_ratio_bev_horizontal=0.5,
        flip_ratio_bev_vertical=0.5,
    ),
    # 5 degrees to either side.
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-0.087266, 0.087266],
        scale_ratio_range=[1.0, 1.0],
    ),
]
take_points = dict(
    type='SamplePoints', num_points=num_points, on_too_few='repeat'
)
crop_scene = [
    dict(type='RandomCuboidCrop', min_points=num_points),
    take_points,
]

train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='train',
        samples_per_scene=4,
        pipeline=[
            *load_scene,
            *crop_scene,
            *scene_augmentation,
            dict(type='PackPointInputs'),
        ],
    ),
)
# Whole scenes, for the reconstruction of stage I.
val_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=[*load_scene, take_points, dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader

# default_runtime.py and the methods have these.
_base_.pop('vis_backends')
_base_.pop('visualizer')
_base_.pop('val_evaluator')
_base_.pop('test_evaluator')
_base_.pop('train_pipeline')
_base_.pop('test_pipeline')
