# Semantic segmentation of a few scenes in minutes on a CPU.
_base_ = './finetune_tiny.py'

max_epochs = 50
warmup_epochs = 2
base_lr = 2e-3

optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup_epochs),
    dict(
        _base_.param_scheduler[1],
        begin=warmup_epochs,
        T_max=max_epochs - warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
auto_scale_lr = dict(base_batch_size=4)
