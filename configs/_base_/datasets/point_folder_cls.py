# A folder of your own clouds or meshes with labels: ACT_CLOUDS=FOLDER, in it
# <class>/ or {train,test}/<class>/, or lists (docs/data.md). Without splits a
# fifth of each class is for tests.
labelled_folder = dict(
    type='PointFolder',
    data_root='{{$ACT_CLOUDS:data/clouds}}',
    classes='folders',
    up_axis='{{$ACT_UP_AXIS:auto}}',
    split_ratio='auto',
)
# For a CPU: the same points of a cloud in every epoch, patches searched once.
static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(
        type='SamplePoints',
        num_points=1024,
        per_epoch=False,
        on_too_few='repeat',
    ),
    dict(type='GroupPoints', num_groups=32, group_size=32),
]
train_sampling = [
    dict(type='SamplePoints', num_points=1024, on_too_few='repeat')
]
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
        **labelled_folder,
        split='train',
        static_pipeline=static_pipeline[:2],
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
        **labelled_folder,
        split='test',
        test_mode=True,
        static_pipeline=[
            *static_pipeline[:2],
            dict(
                type='SamplePoints',
                num_points=1024,
                method='fps',
                on_too_few='repeat',
            ),
        ],
        pipeline=[dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
