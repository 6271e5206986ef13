# Concept distillation: AdamW, 10 warm-up epochs, cosine.
_base_ = './act_pretrain_300e.py'

max_epochs = 250

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6 / _base_.base_lr,
        begin=0,
        end=_base_.warmup_epochs,
        by_epoch=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-7,
        T_max=max_epochs - _base_.warmup_epochs,
        begin=_base_.warmup_epochs,
        end=max_epochs,
        by_epoch=True,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
