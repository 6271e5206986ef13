# Point-MAE of ScanNet's frames, fine-tuned on ShapeNetPart.
_base_ = '../act/act_partseg_shapenetpart.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_scannet-frames}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_scannet-frames.py',
        )
    )
)
