# Every 25th RGB-D frame of ScanNet: 4096 points and the image of the view. The
# paper does not say in which coordinates: the camera's, upright, in the unit
# sphere, as objects are.
data_root = '{{$ACT_DATA_ROOT:data/}}/scannet_frames'

load_pair = [dict(type='LoadFrame', coordinates='camera')]
frame_images = [
    dict(type='LoadImage'),
    dict(type='PrepareImage', size=224, crop='center'),
]
sample_points = [
    dict(type='SamplePoints', num_points=4096, on_too_few='repeat'),
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
        type='ScanNetFrames',
        data_root=data_root,
        split='train',
        frame_stride=25,
        # Frames with next to no depth.
        on_error='skip',
        pipeline=[
            *load_pair,
            *frame_images,
            *sample_points,
            *augment,
            *pack,
        ],
    ),
)
# Ten times fewer: about 2000 frames of the validation scenes.
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetFrames',
        data_root=data_root,
        split='val',
        frame_stride=250,
        on_error='skip',
        test_mode=True,
        pipeline=[*load_pair, *frame_images, *sample_points, *pack],
    ),
)
test_dataloader = val_dataloader
# The training pairs without augmentation, for statistics of targets.
target_dataloader = dict(
    batch_size=128,
    num_workers=8,
    dataset=dict(
        type='ScanNetFrames',
        data_root=data_root,
        split='train',
        frame_stride=25,
        on_error='skip',
        pipeline=[*load_pair, *frame_images, *sample_points, *pack],
    ),
)
