# How well a fresh decoder reconstructs from a frozen student, for a CPU.
_base_ = './concept_pretrain_scannet_reconstruction-tiny.py'

model = dict(
    frozen_student=True,
    student=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$CONCEPT_PRETRAINED:work_dirs/concept_pretrain_scannet_tiny}}',
            pretrain_config='configs/concept/concept_pretrain_scannet_tiny.py',
        )
    ),
)
