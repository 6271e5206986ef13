# S3DIS in blocks of 1 m, coordinates only; validation on blocks of the test
# area as in the published training, test on its whole rooms, which the model
# cuts into windows. Another area than 5: ACT_S3DIS_AREA=1
s3dis_root = '{{$ACT_DATA_ROOT:data/}}/s3dis'
test_areas = '{{$ACT_S3DIS_AREA:5}}'
num_points = 2048

sample_blocks = [
    dict(type='LoadRoomBlock', num_points=num_points, block_size=1.0),
]
scale_shift = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(0.8, 1.25),
        shift_range=0.1,
        isotropic=True,
    ),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='S3DISBlocks',
        data_root=s3dis_root,
        split='train',
        test_areas=test_areas,
        num_points=num_points,
        pipeline=[
            *sample_blocks,
            *scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='S3DISBlocks',
        data_root=s3dis_root,
        split='test',
        test_areas=test_areas,
        num_points=num_points,
        test_mode=True,
        pipeline=[*sample_blocks, dict(type='PackPointInputs')],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='S3DISBlocks',
        data_root=s3dis_root,
        split='test',
        test_areas=test_areas,
        samples='rooms',
        test_mode=True,
        pipeline=[dict(type='LoadRoom'), dict(type='PackPointInputs')],
    ),
)
val_evaluator = dict(type='SemanticSegMetric', prefix='blocks')
test_evaluator = dict(type='SemanticSegMetric', prefix='rooms')
