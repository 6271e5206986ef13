# The tiny stage I with a language Transformer as the teacher: `make demo`.
# One layer of the teacher and large steps of few clouds keep more codes in use
# than three layers and twice as many clouds did; see docs/results.md.
_base_ = './act_dvae_shapenet_tiny.py'

max_epochs = 4
batch_size = 16

model = dict(
    teacher=dict(
        _delete_=True,
        type='LanguageTeacher',
        model='all-MiniLM-L6-v2',
        num_layers=1,
        num_prompts=16,
        prompt_mode='deep',
        prompt_dropout=0.1,
    )
)
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_epochs, T_max=max_epochs - 1),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(checkpoint=dict(interval=1))
auto_scale_lr = dict(base_batch_size=batch_size)
