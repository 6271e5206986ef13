# Few-shot ModelNet40: the published folds. way, shot and fold of training and
# test data set say which; here 5 classes, 10 clouds of each, the first fold.
fewshot_root = '{{$ACT_DATA_ROOT:data/}}/ModelNetFewshot'

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
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ModelNetFewShot',
        data_root=fewshot_root,
        split='train',
        way=5,
        shot=10,
        fold=0,
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
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ModelNetFewShot',
        data_root=fewshot_root,
        split='test',
        way=5,
        shot=10,
        fold=0,
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
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
