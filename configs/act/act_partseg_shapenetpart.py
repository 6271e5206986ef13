# ACT, fine-tuned for part segmentation on ShapeNetPart.
_base_ = [
    '../_base_/models/act_part_segmentor.py',
    '../_base_/datasets/shapenet_part.py',
    '../_base_/schedules/partseg_300e.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    checkpoint=dict(
        save_best='instance_miou', rule='greater', max_keep_ckpts=1
    )
)
val_cfg = dict()
test_cfg = dict()

# Voting, by tools/test.py --tta: 10 random views of the same points.
tta_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='ShapeNetPart',
        data_root=_base_.shapenet_part_root,
        split='test',
        test_mode=True,
        static_pipeline=_base_.load_parts,
        pipeline=[
            *_base_.sample_parts,
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * _base_.scale_shift,
                    [dict(type='PackPointInputs')],
                ],
            ),
        ],
    ),
)
tta_cfg = dict(type='VotingTestLoop', rounds=1)
