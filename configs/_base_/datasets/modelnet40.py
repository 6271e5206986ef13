# ModelNet40, 1024 points: in training of the 1200 farthest ones, which are
# searched once. To search from another point in each epoch, as the published
# code does: KeepFarthestPoints with random_start=True, not in the static
# pipeline. A config changes the augmentation by
# pipeline=[*_base_.train_sampling, *_base_.rotation,
# dict(type='PackPointInputs')], or leaves it out.
modelnet_root = '{{$ACT_DATA_ROOT:data/}}/ModelNet'

# Published order: the whole cloud is normalised, then sampled.
train_static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='KeepFarthestPoints', num_points=1200),
]
train_sampling = [dict(type='SamplePoints', num_points=1024)]
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
        static_pipeline=train_static_pipeline,
        pipeline=[
            *train_sampling,
            *scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=64,
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
            dict(type='SamplePoints', num_points=1024, method='fps'),
        ],
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
        static_pipeline=train_static_pipeline,
        pipeline=[
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
