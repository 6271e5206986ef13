# ACT, fine-tuned on ModelNet40, 8192 points.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/modelnet40_8k.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

model = dict(backbone=dict(num_groups=512), head=dict(num_classes=40))

# Voting, by tools/test.py --tta: 10 random views of every cloud.
tta_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='ModelNet40',
        data_root=_base_.modelnet_root,
        split='test',
        test_mode=True,
        pipeline=[
            *_base_.train_sampling[:-1],
            dict(
                type='TestTimeAug',
                transforms=[
                    10 * _base_.train_sampling[-1:],
                    _base_.scale_shift,
                    [dict(type='PackPointInputs')],
                ],
            ),
        ],
    ),
)
tta_cfg = dict(type='VotingTestLoop', rounds=1)
