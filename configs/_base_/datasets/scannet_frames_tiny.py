# RGB-D frames for a CPU of two cores: 1024 points, the same in every epoch,
# whose patches are searched once. Without lists of scenes the last fifth of
# each scene's frames is for validation.
data_root = '{{$ACT_DATA_ROOT:data/}}/scannet_frames'

load_pair = [dict(type='LoadFrame', coordinates='camera')]
frame_images = [
    dict(type='LoadImage'),
    dict(type='PrepareImage', size=224, crop='center'),
]
sample_points = [
    dict(
        type='SamplePoints',
        num_points=1024,
        per_epoch=False,
        on_too_few='repeat',
    ),
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

frames = dict(
    type='ScanNetFrames',
    data_root=data_root,
    frame_stride=25,
    holdout=0.2,
    on_error='skip',
    static_pipeline=[*load_pair, *frame_images, *sample_points, *group],
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(**frames, split='train', pipeline=[*augment, *pack]),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**frames, split='val', test_mode=True, pipeline=pack),
)
test_dataloader = val_dataloader
# The training pairs without augmentation, for statistics of targets.
target_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(**frames, split='train', pipeline=pack),
)
