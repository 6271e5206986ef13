# Concept distillation on objects with the vectors of their renders, for a CPU.
_base_ = [
    '../_base_/models/concept_distiller_tiny.py',
    '../_base_/datasets/object_renders_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True, type='VectorTarget', num_channels=1024
            ),
            target_norm=dict(num_channels=1024),
        )
    )
)
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=_base_.target_dataloader),
]
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
