# The same with the tiny student, for a CPU of two cores.
_base_ = [
    'mmdet3d::votenet/votenet_8xb8_scannet-3d.py',
    './_base_/point_transformer_tiny.py',
]

model = dict(
    backbone=dict(_delete_=True, **_base_.backbone, num_groups=256),
    neck=dict(
        type='PatchProjection',
        in_channels=_base_.embed_dims,
        out_channels=256,
    ),
    bbox_head=dict(vote_aggregation_cfg=dict(num_point=64)),
)
train_dataloader = dict(batch_size=4, num_workers=2)
