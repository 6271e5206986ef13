# ShapeNetPart: the published code trains on training and validation list and
# draws 2048 points of the normalised cloud with replacement, also in tests.
shapenet_part_root = (
    '{{$ACT_DATA_ROOT:data/}}'
    '/shapenetcore_partanno_segmentation_benchmark_v0_normal'
)

load_parts = [
    # x, y, z, normal, part
    dict(type='LoadPointCloud', label_column=6),
    dict(type='NormalizeToUnitSphere'),
]
sample_parts = [dict(type='SamplePoints', num_points=2048, replace=True)]
scale_shift = [
    dict(
        type='RandomPointScaleShift',
        scale_range=(0.8, 1.25),
        shift_range=0.1,
        isotropic=True,
    ),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ShapeNetPart',
        data_root=shapenet_part_root,
        split='trainval',
        static_pipeline=load_parts,
        pipeline=[
            *sample_parts,
            *scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapeNetPart',
        data_root=shapenet_part_root,
        split='test',
        test_mode=True,
        static_pipeline=load_parts,
        pipeline=[*sample_parts, dict(type='PackPointInputs')],
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
            *sample_parts,
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
