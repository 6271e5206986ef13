# Semantic segmentation of ACT: as part segmentation, for 60 epochs.
_base_ = './partseg_300e.py'

max_epochs = 60

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        T_max=max_epochs - _base_.warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=32)
