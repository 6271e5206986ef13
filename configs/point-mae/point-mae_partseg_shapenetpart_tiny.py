# Point-MAE, fine-tuned for part segmentation on ShapeNetPart, for a CPU.
_base_ = '../act/act_partseg_shapenetpart_tiny.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet_tiny}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet_tiny.py',
        )
    )
)
