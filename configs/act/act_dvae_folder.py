# ACT, stage I, on your own clouds: ACT_CLOUDS=FOLDER.
_base_ = [
    './act_dvae_shapenet.py',
    '../_base_/datasets/point_folder_pretrain.py',
]

train_dataloader = dict(
    drop_last=False,
    dataset=dict(
        _delete_=True,
        **_base_.cloud_folder,
        pipeline=[
            *_base_.cloud_pipeline,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
