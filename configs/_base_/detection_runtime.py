_base_ = './default_runtime.py'

default_hooks = dict(
    checkpoint=dict(
        save_best='published/mAP_0.25', rule='greater', max_keep_ckpts=1
    )
)
val_cfg = dict()
test_cfg = dict()
