# ShapeNet-55 for short trainings on a CPU: the same points of a cloud in every
# epoch, whose patches are searched once.
shapenet_root = '{{$ACT_DATA_ROOT:data/}}/ShapeNet55-34'

shapenet_static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=1024, per_epoch=False),
    dict(type='NormalizeToUnitSphere'),
    dict(type='GroupPoints', num_groups=32, group_size=32),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ShapeNet55',
        data_root=shapenet_root,
        split='train',
        static_pipeline=shapenet_static_pipeline,
        pipeline=[dict(type='PackPointInputs')],
    ),
)
