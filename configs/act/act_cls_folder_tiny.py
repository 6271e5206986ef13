# Fine-tuning on a folder of your own clouds, for a CPU of two cores:
# ACT_CLOUDS=FOLDER, ACT_PRETRAINED=act-mini.
_base_ = [
    '../_base_/models/act_classifier_tiny.py',
    '../_base_/datasets/point_folder_cls.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/classification_runtime.py',
]

classes_from_data = True
model = dict(head=dict(num_classes=2))
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        static_pipeline=_base_.static_pipeline,
        pipeline=[*_base_.scale_shift, dict(type='PackPointInputs')],
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(static_pipeline=_base_.static_pipeline),
)
test_dataloader = val_dataloader
default_hooks = dict(logger=dict(interval=10))
