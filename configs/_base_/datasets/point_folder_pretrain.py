# A folder of clouds or meshes without labels, of any format in docs/data.md,
# for stage I and II:
# --cfg-options train_dataloader.dataset.data_root=MY_CLOUDS
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='PointFolder',
        data_root='{{$ACT_DATA_ROOT:data/}}/clouds',
        up_axis='y',
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
