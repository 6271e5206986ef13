# Few-shot: half as long.
_base_ = './finetune_300e.py'

max_epochs = 150

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        T_max=max_epochs - _base_.warmup_epochs,
        end=max_epochs,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
