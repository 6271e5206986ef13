# ModelNet40, 8192 points: all that the .dat files of the published code
# hold, or as many of the 10 000 in a text file, in training others in each
# epoch.
modelnet_root = '{{$ACT_DATA_ROOT:data/}}/ModelNet'

# Not kept in memory, where they would take 1 GB per process.
train_sampling = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='SamplePoints', num_points=8192),
]
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
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ModelNet40',
        data_root=modelnet_root,
        split='train',
        pipeline=[
            *train_sampling,
            *scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ModelNet40',
        data_root=modelnet_root,
        split='test',
        test_mode=True,
        static_pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='NormalizeToUnitSphere'),
            dict(type='SamplePoints', num_points=8192, method='fps'),
        ],
        pipeline=[dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader
# Voting, by tools/test.py --tta: 10 random views of every cloud.
tta_dataloader = dict(
    val_dataloader,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        val_dataloader['dataset'],
        static_pipeline=[],
        pipeline=[
            *train_sampling[:-1],
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * train_sampling[-1:],
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
