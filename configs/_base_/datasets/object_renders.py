# Objects and renders of them: 1024 points and one of the renders, another one
# in every epoch.
data_root = '{{$ACT_DATA_ROOT:data/}}/object_renders'

load_cloud = [dict(type='LoadPointCloud')]
render_images = [
    dict(type='LoadImage'),
    dict(type='PrepareImage', size=224, crop='center'),
]
sample_points = [
    dict(type='SamplePoints', num_points=1024),
    dict(type='NormalizeToUnitSphere'),
]
augment = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(2 / 3, 3 / 2),
        shift_range=0.2,
    )
]
pack = [dict(type='PackPointInputs')]

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ObjectRenders',
        data_root=data_root,
        split='train',
        pipeline=[
            *load_cloud,
            *render_images,
            *sample_points,
            *augment,
            *pack,
        ],
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ObjectRenders',
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=[*load_cloud, *render_images, *sample_points, *pack],
    ),
)
test_dataloader = val_dataloader
# The training pairs without augmentation, for statistics of targets.
target_dataloader = dict(
    batch_size=128,
    num_workers=8,
    dataset=dict(
        type='ObjectRenders',
        data_root=data_root,
        split='train',
        pipeline=[*load_cloud, *render_images, *sample_points, *pack],
    ),
)
