# Point-MAE, fine-tuned for semantic segmentation on ScanNet, for a CPU.
_base_ = '../act/act_semseg_scannet_tiny.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet_tiny}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet_tiny.py',
        )
    )
)
