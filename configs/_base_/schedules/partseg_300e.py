# Part segmentation of ACT and Point-MAE: AdamW, 10 warm-up epochs, cosine,
# clipped. The published loop steps twice a batch, the first time unclipped.
max_epochs = 300
warmup_epochs = 10
base_lr = 2e-4

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
    clip_grad=dict(max_norm=10),
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
        eta_min=1e-6,
        T_max=max_epochs - warmup_epochs,
        begin=warmup_epochs,
        end=max_epochs,
        by_epoch=True,
    ),
]

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=16)
