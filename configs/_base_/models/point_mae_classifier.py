# A student pretrained by Point-MAE, without class token: that begins anew.
_base_ = './act_classifier.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet.py',
        )
    )
)
