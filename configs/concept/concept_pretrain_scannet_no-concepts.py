# Without concepts: the head reads the encoded patches.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(
        concept=dict(
            neck=dict(_delete_=True, type='PatchTokens'),
            head=dict(num_tokens=_base_.num_groups),
        )
    ),
)
