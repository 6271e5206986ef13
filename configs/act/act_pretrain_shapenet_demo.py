# The tiny stage II on the demo's autoencoder; the probe reads the labelled
# scans beside the demo's ShapeNet-55: `make demo`.
_base_ = './act_pretrain_shapenet_tiny.py'

max_epochs = 36

model = dict(
    objectives=dict(
        act=dict(
            target_generator=dict(
                generator=dict(
                    autoencoder=dict(
                        teacher=dict(
                            _delete_=True,
                            type='LanguageTeacher',
                            model='all-MiniLM-L6-v2',
                            num_layers=1,
                            num_prompts=16,
                            prompt_mode='deep',
                            prompt_dropout=0.1,
                        )
                    ),
                    checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_shapenet_demo}}',
                    stage1_config='configs/act/act_dvae_shapenet_demo.py',
                )
            )
        )
    )
)

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1],
        end=max_epochs,
        T_max=max_epochs - _base_.param_scheduler[1].begin,
    ),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(checkpoint=dict(interval=1))
val_dataloader = _base_.val_dataloader
for part in val_dataloader['dataset']['datasets']:
    part['data_root'] = '{{$ACT_DATA_ROOT:data/}}/procscan'
test_dataloader = val_dataloader
# The penalties that students of the demo choose, by two folds: to fit more
# classifiers takes longer than all else of the probe.
val_evaluator = dict(knn=20, labels_per_class=10, C_grid=(0.01, 0.1), folds=2)
test_evaluator = val_evaluator
del part
