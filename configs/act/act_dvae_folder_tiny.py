# ACT, stage I, on your own clouds and a CPU: ACT_CLOUDS=FOLDER.
_base_ = [
    './act_dvae_shapenet_tiny.py',
    '../_base_/datasets/point_folder_pretrain.py',
]

train_dataloader = dict(
    drop_last=False,
    dataset=dict(
        _delete_=True,
        **_base_.cloud_folder,
        static_pipeline=_base_.cloud_static_pipeline,
        pipeline=[dict(type='PackPointInputs')],
    ),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
