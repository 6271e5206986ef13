# Objects with the vectors of their renders, for a CPU of two cores: the same
# 1024 points in every epoch, whose patches are searched once.
data_root = '{{$ACT_DATA_ROOT:data/}}/object_renders'

load_cloud = [dict(type='LoadPointCloud')]
sample_points = [
    dict(type='SamplePoints', num_points=1024, per_epoch=False),
    dict(type='NormalizeToUnitSphere'),
]
group = [dict(type='GroupPoints', num_groups=32, group_size=32)]
augment = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(2 / 3, 3 / 2),
        shift_range=0.2,
    )
]
pack = [dict(type='PackPointInputs')]

renders = dict(
    type='ObjectRenders',
    data_root=data_root,
    # vectors/azure.npz; its vectors have 1024 numbers.
    vectors='azure',
    static_pipeline=[*load_cloud, *sample_points, *group],
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(**renders, split='train', pipeline=[*augment, *pack]),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**renders, split='test', test_mode=True, pipeline=pack),
)
test_dataloader = val_dataloader
# The training pairs without augmentation, for statistics of targets.
target_dataloader = dict(
    batch_size=16,
    num_workers=0,
    dataset=dict(**renders, split='train', pipeline=pack),
)
