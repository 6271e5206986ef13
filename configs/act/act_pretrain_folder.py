# ACT, stage II, on your own clouds: ACT_CLOUDS=FOLDER; train
# act_dvae_folder.py first.
_base_ = [
    './act_pretrain_shapenet.py',
    '../_base_/datasets/point_folder_pretrain.py',
]

stage1 = '{{$ACT_AUTOENCODER:default}}'
if stage1 == 'default':
    stage1 = 'work_dirs/act_dvae_folder' + _base_.teacher_suffix

model = dict(
    objectives=dict(
        act=dict(
            target_generator=dict(
                checkpoint=stage1,
                stage1_config='configs/act/act_dvae_folder.py',
            )
        )
    )
)

train_dataloader = dict(
    drop_last=False,
    dataset=dict(
        _delete_=True,
        **_base_.cloud_folder,
        pipeline=[
            *_base_.cloud_pipeline,
            *_base_.cloud_augmentation,
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
