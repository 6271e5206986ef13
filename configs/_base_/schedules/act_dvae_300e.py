# Stage I of ACT: AdamW, 10 warm-up epochs, cosine. The published config also
# names a gradient clip of 10, which the published loop never applies.
max_epochs = 300
warmup_epochs = 10
base_lr = 5e-4

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=base_lr, fused=True, weight_decay=5e-4),
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
auto_scale_lr = dict(enable=False, base_batch_size=64)
