# 3DETR's training of a few scenes, on a CPU.
_base_ = './3detr_1080e.py'

max_epochs = 100
warmup_epochs = 3
base_lr = 2e-3

optim_wrapper = dict(optimizer=dict(lr=base_lr, weight_decay=0.01))
param_scheduler = [
    dict(
        _base_.param_scheduler[0],
        warmup=warmup_epochs,
        end=max_epochs,
    )
]
train_cfg = dict(max_epochs=max_epochs, val_interval=20)
auto_scale_lr = dict(base_batch_size=2)
