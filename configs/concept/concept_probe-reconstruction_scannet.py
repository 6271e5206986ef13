# How well a fresh decoder reconstructs from a frozen student, distilled or
# not: model.student.init_cfg=None is that of an encoder of random weights.
_base_ = './concept_pretrain_scannet_reconstruction.py'

model = dict(
    frozen_student=True,
    student=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet}}',
            pretrain_config='configs/concept/concept_pretrain_scannet.py',
        )
    ),
)
