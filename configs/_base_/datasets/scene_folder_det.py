# A folder of your own scans with boxes beside them: ACT_CLOUDS=FOLDER
# (docs/data.md). ACT_SCALE makes metres (0.001 of millimetres), ACT_UP_AXIS is
# x, y or z.
num_points = 40000

scene_folder = dict(
    type='SceneFolder',
    data_root='{{$ACT_CLOUDS:data/clouds}}',
    task='detection',
    scale=float('{{$ACT_SCALE:1}}'),
    up_axis='{{$ACT_UP_AXIS:format}}',
    split_ratio='auto',
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

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        **scene_folder,
        split='train',
        pipeline=[
            dict(type='LoadFolderScene'),
            dict(type='RandomCuboidCrop', min_points=30000),
            take_points,
            *scene_augmentation,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **scene_folder,
        split='test',
        test_mode=True,
        pipeline=[
            dict(type='LoadFolderScene'),
            take_points,
            dict(type='PackPointInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='PublishedIndoorMetric')
test_evaluator = val_evaluator
