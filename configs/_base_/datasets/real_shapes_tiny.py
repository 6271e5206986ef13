# {train,test}/<class>/*.npy for short trainings on a CPU: 1024 points.
shapes_root = '{{$ACT_DATA_ROOT:data/}}/real_shapes'

# The same points of a cloud in every epoch, whose patches are searched once.
static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='SamplePoints', num_points=1024, per_epoch=False),
    dict(type='GroupPoints', num_groups=32, group_size=32),
]
train_sampling = []
rotation = [dict(type='RandomPointRotation', axis='y')]
scale_shift = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(2 / 3, 3 / 2),
        shift_range=0.2,
    ),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='PointFolder',
        data_root=shapes_root,
        split='train',
        classes='folders',
        up_axis='y',
        static_pipeline=static_pipeline,
        pipeline=[*scale_shift, dict(type='PackPointInputs')],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PointFolder',
        data_root=shapes_root,
        split='test',
        test_mode=True,
        classes='folders',
        up_axis='y',
        static_pipeline=static_pipeline,
        pipeline=[dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader
# Voting, by tools/test.py --tta: 10 random views of every cloud.
tta_dataloader = dict(
    val_dataloader,
    batch_size=32,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        val_dataloader['dataset'],
        static_pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='NormalizeToUnitSphere'),
            dict(type='KeepFarthestPoints', num_points=1200),
        ],
        pipeline=[
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * [dict(type='SamplePoints', num_points=1024)],
                    scale_shift,
                    [dict(type='PackPointInputs')],
                ],
            ),
        ],
    ),
)
tta_cfg = dict(type='VotingTestLoop', rounds=1)
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
