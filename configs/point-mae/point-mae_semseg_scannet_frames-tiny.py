# Point-MAE of frames, fine-tuned for segmentation, for a CPU.
_base_ = '../act/act_semseg_scannet_tiny.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_scannet-frames_tiny}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_scannet-frames_tiny.py',
        )
    )
)
