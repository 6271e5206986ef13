# {train,test}/<class>/*.npy, both splits, for the linear probe of frozen
# features. To train without it:
# --cfg-options val_dataloader=None val_cfg=None val_evaluator=None
probe_root = '{{$ACT_DATA_ROOT:data/}}/real_shapes'
probe_static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='SamplePoints', num_points=1024, method='fps'),
]

val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(
                type='PointFolder',
                data_root=probe_root,
                split='train',
                classes='folders',
                up_axis='y',
                test_mode=True,
                static_pipeline=probe_static_pipeline,
                pipeline=[dict(type='PackPointInputs')],
            ),
            dict(
                type='PointFolder',
                data_root=probe_root,
                split='test',
                classes='folders',
                up_axis='y',
                test_mode=True,
                static_pipeline=probe_static_pipeline,
                pipeline=[dict(type='PackPointInputs')],
            ),
        ],
    ),
)
test_dataloader = val_dataloader
