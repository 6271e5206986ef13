# The tiny stage II on the demo's autoencoder; the probe reads the labelled
# scans beside the demo's ShapeNet-55: `make demo`.
_base_ = './act_pretrain_shapenet_tiny.py'

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
                            num_layers=3,
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

val_dataloader = _base_.val_dataloader
for part in val_dataloader['dataset']['datasets']:
    part['data_root'] = '{{$ACT_DATA_ROOT:data/}}/procscan'
test_dataloader = val_dataloader
val_evaluator = dict(knn=20, labels_per_class=10)
test_evaluator = val_evaluator
del part
