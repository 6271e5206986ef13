# A folder of your own clouds or meshes, of any format in docs/data.md, and no
# probe: ACT_CLOUDS=FOLDER. The configs of this name take these variables.
cloud_folder = dict(
    type='PointFolder',
    data_root='{{$ACT_CLOUDS:data/clouds}}',
    up_axis='{{$ACT_UP_AXIS:auto}}',
    on_error='skip',
)
cloud_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=1024, on_too_few='repeat'),
    dict(type='NormalizeToUnitSphere'),
]
# For a CPU: the same points of a cloud in every epoch, patches searched once.
cloud_static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(
        type='SamplePoints',
        num_points=1024,
        per_epoch=False,
        on_too_few='repeat',
    ),
    dict(type='NormalizeToUnitSphere'),
    dict(type='GroupPoints', num_groups=32, group_size=32),
]
cloud_augmentation = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(2 / 3, 3 / 2),
        shift_range=0.2,
    ),
]
