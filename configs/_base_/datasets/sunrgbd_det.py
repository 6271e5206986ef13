# SUN RGB-D for detection: 20 000 points of a view, coordinates only.
# MMDetection3D's data, without the repeated epochs and the heights.
_base_ = 'mmdet3d::_base_/datasets/sunrgbd-3d.py'

data_root = '{{$ACT_DATA_ROOT:data/}}/sunrgbd'
num_points = 20000

load_scene = [dict(type='LoadScene', with_boxes=True, on_empty='origin')]
# MMDetection3D's inference, of files and of arrays, looks for it.
load_points = dict(
    type='LoadPointsFromFile',
    coord_type='DEPTH',
    load_dim=6,
    use_dim=[0, 1, 2],
)
# Left and right change places; forward stays forward.
flip = dict(
    type='RandomFlip3D',
    sync_2d=False,
    flip_ratio_bev_horizontal=0.5,
    flip_ratio_bev_vertical=0.0,
)
scene_augmentation = [
    flip,
    # 30 degrees to either side.
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-0.523599, 0.523599],
        scale_ratio_range=[0.85, 1.15],
    ),
]
take_points = dict(
    type='SamplePoints', num_points=num_points, on_too_few='repeat'
)
train_pipeline = [
    *load_scene,
    *scene_augmentation,
    # Two of three such shares are always alike.
    dict(type='RandomCuboidCrop', min_points=30000, crop_range=(0.75, 1.0)),
    take_points,
    dict(type='PackPointInputs'),
]
test_pipeline = [
    load_points,
    *load_scene,
    take_points,
    dict(type='PackPointInputs'),
]
# Two views, by tools/test.py --tta.
views = [
    dict(flip, flip_ratio_bev_horizontal=horizontal)
    for horizontal in (0.0, 1.0)
]
tta_pipeline = [
    load_points,
    *load_scene,
    take_points,
    dict(
        type='TestTimeAug',
        transforms=[views, [dict(type='PackPointInputs')]],
    ),
]
tta_model = dict(type='FlippedBoxesTTA')

train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='SUNRGBDScenes',
        data_root=data_root,
        split='train',
        metainfo=_base_.metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SUNRGBDScenes',
        data_root=data_root,
        split='val',
        test_mode=True,
        metainfo=_base_.metainfo,
        box_type_3d='Depth',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# MMDetection3D's mean is NaN where a class is found that does not occur.
val_evaluator = [
    dict(type='PublishedIndoorMetric'),
    dict(type='PresentIndoorMetric'),
]
test_evaluator = val_evaluator

# default_runtime.py has these.
_base_.pop('vis_backends')
_base_.pop('visualizer')
