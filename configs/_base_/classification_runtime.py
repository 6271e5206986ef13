_base_ = './default_runtime.py'

default_hooks = dict(
    checkpoint=dict(
        save_best='overall_accuracy', rule='greater', max_keep_ckpts=1
    )
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ConfusionMatrixHook'),
]
val_cfg = dict()
test_cfg = dict()
