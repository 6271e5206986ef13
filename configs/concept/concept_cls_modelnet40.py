# Concept distillation, fine-tuned on ModelNet40, 1024 points.
_base_ = '../act/act_cls_modelnet40.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet}}',
            pretrain_config='configs/concept/concept_pretrain_scannet.py',
        ),
    )
)
