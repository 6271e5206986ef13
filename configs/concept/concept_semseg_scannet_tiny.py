# Concept distillation, fine-tuned for segmentation on ScanNet, for a CPU.
_base_ = '../act/act_semseg_scannet_tiny.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet_tiny}}',
            pretrain_config='configs/concept/concept_pretrain_scannet_tiny.py',
        ),
    )
)
