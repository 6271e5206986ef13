# The same network without the category of an object, for blocks of scenes;
# whole scenes are segmented in windows.
_base_ = './act_part_segmentor_tiny.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SemanticSegHead',
        num_classes=13,
        in_channels=3 * _base_.embed_dims,
        propagation_channels=(256, 128),
        channels=(128, 64),
        dropout_ratio=0.5,
    ),
    test_cfg=dict(
        mode='slide',
        num_points=1024,
        block_size=1.0,
        sample_rate=0.5,
        batch_size=32,
        num_votes=1,
    ),
)
