# ShapeNet-55 for stage I: training and test list, no augmentation.
shapenet_root = '{{$ACT_DATA_ROOT:data/}}/ShapeNet55-34'

# A training epoch draws other points of each cloud; validation, whose
# sampler gives plain indices, draws the same ones each time.
shapenet_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=1024),
    dict(type='NormalizeToUnitSphere'),
    dict(type='PackPointInputs'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ShapeNet55',
        data_root=shapenet_root,
        split='train',
        pipeline=shapenet_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapeNet55',
        data_root=shapenet_root,
        split='test',
        test_mode=True,
        pipeline=shapenet_pipeline,
    ),
)
test_dataloader = val_dataloader
