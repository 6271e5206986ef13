# Concept distillation, fine-tuned for part segmentation on ShapeNetPart.
_base_ = '../act/act_partseg_shapenetpart.py'

model = dict(
    backbone=dict(
        position='after',
        init_cfg=dict(
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet}}',
            pretrain_config='configs/concept/concept_pretrain_scannet.py',
        ),
    )
)
