# MMDetection3D's VoteNet on a pretrained point Transformer: 1024 patches are
# its seeds.
_base_ = [
    'mmdet3d::votenet/votenet_8xb8_scannet-3d.py',
    './_base_/point_transformer.py',
]

model = dict(
    backbone=dict(_delete_=True, **_base_.backbone, num_groups=1024),
    neck=dict(
        type='PatchProjection',
        in_channels=_base_.embed_dims,
        out_channels=256,
    ),
)
