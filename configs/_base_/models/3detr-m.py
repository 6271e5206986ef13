# 3DETR-m: patches attend to those nearby, half of them after the first layer.
_base_ = './3detr.py'

model = dict(
    backbone=dict(
        dropout=0.3,
        masking_radii=(0.4, 0.8, 1.2),
        downsample_radius=0.4,
        downsample_size=32,
    ),
    bbox_head=dict(projection_channels=(256,)),
)
