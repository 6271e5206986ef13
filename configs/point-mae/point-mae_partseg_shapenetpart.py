# Point-MAE, fine-tuned for part segmentation on ShapeNetPart.
_base_ = '../act/act_partseg_shapenetpart.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet.py',
        )
    )
)
