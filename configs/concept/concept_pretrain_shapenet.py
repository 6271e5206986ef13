# Concept distillation on objects and their renders: CLIP's embedding of a
# render is the target.
_base_ = [
    '../_base_/models/concept_distiller.py',
    '../_base_/datasets/object_renders.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True, type='ImageEmbeddingTarget', encoder=_base_.clip
            )
        )
    )
)
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
