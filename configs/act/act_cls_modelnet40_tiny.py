# Fine-tuning on ModelNet40, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_classifier_tiny.py',
    '../_base_/datasets/modelnet40_tiny.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/classification_runtime.py',
]

model = dict(head=dict(num_classes=40))
default_hooks = dict(logger=dict(interval=10))

# Voting, by tools/test.py --tta: 10 random views of every cloud.
tta_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='ModelNet40',
        data_root=_base_.modelnet_root,
        split='test',
        test_mode=True,
        static_pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='NormalizeToUnitSphere'),
            dict(type='KeepFarthestPoints', num_points=1200),
        ],
        pipeline=[
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * [dict(type='SamplePoints', num_points=1024)],
                    _base_.scale_shift,
                    [dict(type='PackPointInputs')],
                ],
            )
        ],
    ),
)
tta_cfg = dict(type='VotingTestLoop', rounds=1)
