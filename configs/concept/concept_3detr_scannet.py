# Concept distillation, fine-tuned for detection on ScanNet for 720 epochs.
_base_ = '../act/act_3detr_scannet_720e.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet}}',
            pretrain_config='configs/concept/concept_pretrain_scannet.py',
        ),
    )
)
