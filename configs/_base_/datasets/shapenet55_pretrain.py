# ShapeNet-55 for stage II: training and test list, scaled and shifted.
train_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ShapeNet55',
        data_root='{{$ACT_DATA_ROOT:data/}}/ShapeNet55-34',
        split='trainval',
        pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='SamplePoints', num_points=1024),
            dict(type='NormalizeToUnitSphere'),
            dict(
                type='RandomPointScaleShift',
                scale_range=(2 / 3, 3 / 2),
                shift_range=0.2,
            ),
            dict(type='PackPointInputs'),
        ],
    ),
)
