# ScanNet for detection: 40 000 points of an aligned scene, coordinates only.
data_root = '{{$ACT_DATA_ROOT:data/}}/scannet'
num_points = 40000

# Published training draws its crops from at most 50 000 points of a scene.
load_scene = [
    dict(type='LoadScene', with_boxes=True, on_empty='origin'),
    dict(type='GlobalAlignment', rotation_axis=2),
    dict(type='SamplePoints', num_points=50000, on_too_few='keep'),
]
# MMDetection3D's inference, of files and of arrays, looks for it.
load_points = dict(
    type='LoadPointsFromFile',
    coord_type='DEPTH',
    load_dim=6,
    use_dim=[0, 1, 2],
)
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
train_pipeline = [
    *load_scene,
    dict(type='RandomCuboidCrop', min_points=30000),
    take_points,
    *scene_augmentation,
    dict(type='PackPointInputs'),
]
test_pipeline = [
    load_points,
    *load_scene,
    take_points,
    dict(type='PackPointInputs'),
]
# Four views, by tools/test.py --tta.
views = [
    dict(
        type='RandomFlip3D',
        sync_2d=False,
        flip_ratio_bev_horizontal=horizontal,
        flip_ratio_bev_vertical=vertical,
    )
    for horizontal in (0.0, 1.0)
    for vertical in (0.0, 1.0)
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
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='train',
        # A share of the scenes: label_fraction=0.1.
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='val',
        test_mode=True,
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
