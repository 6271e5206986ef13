# S3DIS for short trainings on a CPU: blocks of 1024 points, a tenth of the
# points in an epoch. Another area than 5: ACT_S3DIS_AREA=1
s3dis_root = '{{$ACT_DATA_ROOT:data/}}/s3dis'
test_areas = '{{$ACT_S3DIS_AREA:5}}'
num_points = 1024
sample_rate = 0.1

sample_blocks = [
    dict(
        type='LoadRoomBlock',
        num_points=num_points,
        block_size=1.0,
        min_points=256,
    ),
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
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='S3DISBlocks',
        data_root=s3dis_root,
        split='train',
        test_areas=test_areas,
        num_points=num_points,
        sample_rate=sample_rate,
        pipeline=[
            *sample_blocks,
            *scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='S3DISBlocks',
        data_root=s3dis_root,
        split='test',
        test_areas=test_areas,
        num_points=num_points,
        sample_rate=sample_rate,
        test_mode=True,
        pipeline=[*sample_blocks, dict(type='PackPointInputs')],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
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
