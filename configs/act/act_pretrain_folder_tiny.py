# ACT, stage II, on your own clouds and a CPU: ACT_CLOUDS=FOLDER; train
# act_dvae_folder_tiny.py first.
_base_ = [
    './act_pretrain_shapenet_tiny.py',
    '../_base_/datasets/point_folder_pretrain.py',
]

model = dict(
    objectives=dict(
        act=dict(
            target_generator=dict(
                generator=dict(
                    checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_folder_tiny}}',
                    stage1_config='configs/act/act_dvae_folder_tiny.py',
                )
            )
        )
    )
)

clouds = dict(
    **_base_.cloud_folder, static_pipeline=_base_.cloud_static_pipeline
)
train_dataloader = dict(
    drop_last=False,
    dataset=dict(
        _delete_=True,
        **clouds,
        pipeline=[*_base_.cloud_augmentation, dict(type='PackPointInputs')],
    ),
)
# Without augmentation, for targets that are computed once.
target_dataloader = None
custom_hooks = _base_.custom_hooks
for hook in custom_hooks:
    if hook['type'] == 'PrepareTargetsHook':
        hook['dataloader'] = dict(
            batch_size=64,
            num_workers=0,
            dataset=dict(**clouds, pipeline=[dict(type='PackPointInputs')]),
        )
del hook

val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
