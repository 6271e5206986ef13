# Stage II of ACT, and Point-MAE: AdamW, 10 warm-up epochs, cosine.
max_epochs = 300
warmup_epochs = 10
base_lr = 1e-3

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=base_lr, fused=True, weight_decay=0.05),
    # No decay of biases, norms, other 1-D parameters and tokens.
    paramwise_cfg=dict(
        bias_decay_mult=0.0,
        norm_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={'token': dict(decay_mult=0.0)},
    ),
)

# Add convert_to_iter_based=True to both for rates that change smoothly.
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6 / base_lr,
        begin=0,
        end=warmup_epochs,
        by_epoch=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-7,
        T_max=max_epochs - warmup_epochs,
        begin=warmup_epochs,
        end=max_epochs,
        by_epoch=True,
    ),
]

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=10)
auto_scale_lr = dict(enable=False, base_batch_size=128)
