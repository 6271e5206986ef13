# MMDetection3D's PointNet++ segmentation on a pretrained point Transformer:
# one interpolation from 256 patches to the points.
_base_ = [
    'mmdet3d::pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py',
    './_base_/point_transformer.py',
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

# Two faults of MMDetection3D's config: this path is joined to data_root once
# more, and the test pipeline leaves labels as they are in the files, while the
# metric compares classes.
scene_idxs = 'seg_info/train_resampled_scene_idxs.npy'
train_dataloader = dict(dataset=dict(scene_idxs=scene_idxs))
_base_.test_pipeline.insert(2, dict(type='PointSegClassMapping'))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
val_dataloader = test_dataloader
