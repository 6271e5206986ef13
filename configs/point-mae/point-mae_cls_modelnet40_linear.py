# MLP-LINEAR: a linear head on a frozen backbone.
_base_ = '../act/act_cls_modelnet40.py'

model = dict(
    transfer='linear',
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet.py',
        )
    ),
)
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
