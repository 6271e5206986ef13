# 3DETR's training: every parameter decays, the rate changes with every step.
max_epochs = 1080
warmup_epochs = 9
base_lr = 5e-4

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=base_lr, fused=True, weight_decay=0.1),
    clip_grad=dict(max_norm=0.1),
)
param_scheduler = [
    dict(
        type='ProgressCosineLR',
        warmup=warmup_epochs,
        end=max_epochs,
        warmup_lr=1e-6,
        eta_min=1e-6,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=20)
auto_scale_lr = dict(enable=False, base_batch_size=8)
