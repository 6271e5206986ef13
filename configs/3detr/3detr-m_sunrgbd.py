# 3DETR-m, detection on SUN RGB-D.
_base_ = './3detr_sunrgbd.py'

model = dict(
    backbone=dict(
        masking_radii=(0.4, 0.8, 1.2),
        downsample_radius=0.4,
        downsample_size=32,
    ),
    bbox_head=dict(projection_channels=(256,), loss=dict(cls_weight=0.8)),
)
