# 3DETR for a CPU of two cores; losses and post-processing are those of
# 3detr.py, which the head has by default. What is not 3DETR's makes a short
# training worth while: queries know their patch, a box teaches four of them,
# and distances are matched, as most boxes overlap with no query's for long.
num_classes = 18
embed_dims = 128

model = dict(
    type='ThreeDETR',
    backbone=dict(
        type='ThreeDETREncoder',
        embed_dims=embed_dims,
        num_layers=3,
        num_heads=4,
        feedforward_dims=embed_dims,
        dropout=0.0,
        num_groups=256,
        group_size=32,
        radius=0.4,
        channels=(32, 64),
    ),
    bbox_head=dict(
        type='ThreeDETRHead',
        num_classes=num_classes,
        in_channels=embed_dims,
        embed_dims=embed_dims,
        num_queries=128,
        num_layers=3,
        num_heads=4,
        feedforward_dims=embed_dims,
        dropout=0.0,
        head_dropout=0.0,
        projection_channels=(embed_dims,),
        query_features=True,
        box_coder=dict(type='ThreeDETRBoxCoder', num_angle_bins=1),
        assigner=dict(
            type='HungarianSetAssigner', center_cost=5.0, queries_per_box=4
        ),
        loss=dict(type='DetectionSetLoss', num_classes=num_classes),
        post_processing=dict(type='DetectionPostProcessing'),
    ),
)
