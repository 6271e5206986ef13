# ShapeNetPart for short trainings on a CPU: 1024 points of a cloud, the same
# in every epoch, whose patches are searched once.
shapenet_part_root = (
    '{{$ACT_DATA_ROOT:data/}}'
    '/shapenetcore_partanno_segmentation_benchmark_v0_normal'
)

static_pipeline = [
    dict(type='LoadPointCloud', label_column=6),
    dict(type='NormalizeToUnitSphere'),
    dict(
        type='SamplePoints',
        num_points=1024,
        per_epoch=False,
        on_too_few='repeat',
    ),
    dict(type='GroupPoints', num_groups=32, group_size=32),
]
scale_shift = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(0.8, 1.25),
        shift_range=0.1,
        isotropic=True,
    ),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ShapeNetPart',
        data_root=shapenet_part_root,
        split='trainval',
        static_pipeline=static_pipeline,
        pipeline=[*scale_shift, dict(type='PackPointInputs')],
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapeNetPart',
        data_root=shapenet_part_root,
        split='test',
        test_mode=True,
        static_pipeline=static_pipeline,
        pipeline=[dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader
# Voting, by tools/test.py --tta: 10 random views of the same points.
tta_dataloader = dict(
    val_dataloader,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        val_dataloader['dataset'],
        pipeline=[
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * scale_shift,
                    [dict(type='PackPointInputs')],
                ],
            ),
        ],
    ),
)
tta_cfg = dict(type='VotingTestLoop', rounds=1)
val_evaluator = dict(type='PartSegMetric')
test_evaluator = val_evaluator
