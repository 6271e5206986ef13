# 3DETR-m for a CPU of two cores.
_base_ = './3detr_tiny.py'

model = dict(
    backbone=dict(
        masking_radii=(0.4, 0.8, 1.2),
        downsample_radius=0.4,
        downsample_size=32,
    )
)
