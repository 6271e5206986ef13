# 3DETR on ScanNet: its own encoder, decoder, losses and post-processing.
num_classes = 18

model = dict(
    type='ThreeDETR',
    backbone=dict(
        type='ThreeDETREncoder',
        embed_dims=256,
        num_layers=3,
        num_heads=4,
        feedforward_dims=128,
        dropout=0.1,
        num_groups=2048,
        group_size=64,
        radius=0.2,
        channels=(64, 128),
    ),
    bbox_head=dict(
        type='ThreeDETRHead',
        num_classes=num_classes,
        in_channels=256,
        embed_dims=256,
        num_queries=256,
        num_layers=8,
        num_heads=4,
        feedforward_dims=256,
        dropout=0.1,
        head_dropout=0.3,
        box_coder=dict(type='ThreeDETRBoxCoder', num_angle_bins=1),
        assigner=dict(
            type='HungarianSetAssigner', cls_cost=1.0, giou_cost=2.0
        ),
        loss=dict(
            type='DetectionSetLoss',
            num_classes=num_classes,
            cls_weight=1.0,
            giou_weight=1.0,
            center_weight=5.0,
            size_weight=1.0,
            no_object_weight=0.25,
        ),
        post_processing=dict(
            type='DetectionPostProcessing',
            suppression='per_class',
            overlap_threshold=0.25,
            score_threshold=0.05,
        ),
    ),
)
