# Concept distillation, fine-tuned on the real shapes, for a CPU.
_base_ = '../act/act_cls_real-shapes_tiny.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet_tiny}}',
            pretrain_config='configs/concept/concept_pretrain_scannet_tiny.py',
        ),
    )
)
