# The same with the tiny student, for a CPU of two cores.
_base_ = [
    'mmdet3d::pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py',
    './_base_/point_transformer_tiny.py',
]

model = dict(
    backbone=dict(_delete_=True, **_base_.backbone, num_groups=256),
    neck=dict(
        type='PatchProjection',
        in_channels=_base_.embed_dims,
        out_channels=256,
    ),
    decode_head=dict(fp_channels=((256, 256, 128, 128),)),
)

# As in act_pointnet2_scannet.py.
scene_idxs = 'seg_info/train_resampled_scene_idxs.npy'
test_pipeline = [
    *_base_.test_pipeline[:2],
    dict(type='PointSegClassMapping'),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(scene_idxs=scene_idxs)
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
