# ShapeNet-55 for short pretrainings on a CPU: the points of a cloud and their
# patches are the same in every epoch; augmentation moves the points.
shapenet_dataset = dict(
    type='ShapeNet55',
    data_root='{{$ACT_DATA_ROOT:data/}}/ShapeNet55-34',
    split='trainval',
    static_pipeline=[
        dict(type='LoadPointCloud'),
        dict(type='SamplePoints', num_points=1024, per_epoch=False),
        dict(type='NormalizeToUnitSphere'),
        dict(type='GroupPoints', num_groups=32, group_size=32),
    ],
)

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        **shapenet_dataset,
        pipeline=[
            dict(
                type='RandomPointScaleShift',
                scale_range=(2 / 3, 3 / 2),
                shift_range=0.2,
            ),
            dict(type='PackPointInputs'),
        ],
    ),
)
# The same clouds without augmentation, for targets that are computed once.
target_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(**shapenet_dataset, pipeline=[dict(type='PackPointInputs')]),
)
