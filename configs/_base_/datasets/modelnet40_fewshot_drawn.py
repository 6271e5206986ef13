# Few-shot ModelNet40: folds of one's own, drawn from the whole data set. A
# seed draws others; way, shot and fold are as in modelnet40_fewshot.py.
modelnet_root = '{{$ACT_DATA_ROOT:data/}}/ModelNet'

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
        type='FewShotDraw',
        way=5,
        shot=10,
        fold=0,
        seed=0,
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
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FewShotDraw',
        way=5,
        shot=10,
        fold=0,
        seed=0,
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
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
