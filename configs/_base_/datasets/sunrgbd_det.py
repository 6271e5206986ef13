# SUN RGB-D for detection: 20 000 points of a view, coordinates only.
_base_ = './scannet_det.py'

data_root = '{{$ACT_DATA_ROOT:data/}}/sunrgbd'
num_points = 20000

load_scene = [dict(type='LoadScene', with_boxes=True, on_empty='origin')]
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
    _base_.load_points,
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
    _base_.load_points,
    *load_scene,
    take_points,
    dict(
        type='TestTimeAug',
        transforms=[views, [dict(type='PackPointInputs')]],
    ),
]

train_dataloader = dict(
    dataset=dict(
        type='SUNRGBDScenes',
        data_root=data_root,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='SUNRGBDScenes',
        data_root=data_root,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
