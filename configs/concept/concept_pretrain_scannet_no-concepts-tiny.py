# Without concepts, for a CPU.
_base_ = './concept_pretrain_scannet_tiny.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(
        concept=dict(
            neck=dict(_delete_=True, type='PatchTokens'),
            head=dict(num_tokens=_base_.num_groups),
        )
    ),
)
