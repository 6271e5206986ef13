# ScanObjectNN, 2048 points as they are stored. The variant is PB_T50_RS;
# scanobjectnn-objbg.py and scanobjectnn-objonly.py are the others. A config
# changes the augmentation by pipeline=_base_.scaled_and_shifted, or leaves it
# out by pipeline=_base_.not_augmented.
scanobjectnn_root = '{{$ACT_DATA_ROOT:data/}}/ScanObjectNN'

# All points, in another order in each epoch: it decides where the sampling of
# patch centres begins.
train_sampling = [
    dict(type='LoadPointCloud'),
    dict(type='KeepFarthestPoints', num_points=2400),
    dict(type='SamplePoints', num_points=2048),
]
rotation = [dict(type='RandomPointRotation', axis='y')]
scale_shift = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(2 / 3, 3 / 2),
        shift_range=0.2,
    ),
]
not_augmented = [*train_sampling, dict(type='PackPointInputs')]
scaled_and_shifted = [
    *train_sampling,
    *scale_shift,
    dict(type='PackPointInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ScanObjectNN',
        data_root=scanobjectnn_root,
        split='train',
        variant='hardest',
        pipeline=[
            *train_sampling,
            *rotation,
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
        type='ScanObjectNN',
        data_root=scanobjectnn_root,
        split='test',
        variant='hardest',
        test_mode=True,
        pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='KeepFarthestPoints', num_points=2048),
            dict(type='PackPointInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
