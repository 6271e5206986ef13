# Concept distillation, fine-tuned for semantic segmentation on ScanNet.
_base_ = '../act/act_semseg_scannet.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet}}',
            pretrain_config='configs/concept/concept_pretrain_scannet.py',
        ),
    )
)
