# The learning rates of the published loop: one epoch late, 301 epochs.
_base_ = './finetune_300e.py'

param_scheduler = [
    dict(
        type='ReleasedCosineLR',
        num_epochs=300,
        warmup_epochs=10,
        warmup_lr=1e-6,
        eta_min=1e-7,
    )
]
train_cfg = dict(max_epochs=301)
