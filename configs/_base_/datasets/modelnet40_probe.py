# ModelNet40, both splits, for the linear probe of frozen features. To train
# without it: --cfg-options val_dataloader=None val_cfg=None val_evaluator=None
probe_root = '{{$ACT_DATA_ROOT:data/}}/ModelNet'

# Published order: the whole cloud is normalised, then sampled.
probe_static_pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='SamplePoints', num_points=1024, method='fps'),
]
probe_pipeline = [dict(type='PackPointInputs')]

val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(
                type='ModelNet40',
                data_root=probe_root,
                split='train',
                test_mode=True,
                static_pipeline=probe_static_pipeline,
                pipeline=probe_pipeline,
            ),
            dict(
                type='ModelNet40',
                data_root=probe_root,
                split='test',
                test_mode=True,
                static_pipeline=probe_static_pipeline,
                pipeline=probe_pipeline,
            ),
        ],
    ),
)
test_dataloader = val_dataloader
