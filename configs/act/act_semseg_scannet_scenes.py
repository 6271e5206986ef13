# The other reading of the paper: 8192 points of a whole scene at once. In test
# all points of a scene are dealt out in such sets.
_base_ = './act_semseg_scannet.py'

model = dict(
    test_cfg=dict(
        _delete_=True,
        mode='slide',
        num_points=_base_.num_points,
        block_size=None,
        batch_size=8,
        fusion='logits',
    ),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.load_scene,
            dict(type='CenterOnGround'),
            dict(
                type='SamplePoints',
                num_points=_base_.num_points,
                on_too_few='repeat',
            ),
            dict(type='PackPointInputs'),
        ]
    )
)
