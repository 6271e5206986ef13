# Point-MAE, few-shot ModelNet40 on the published folds.
_base_ = [
    '../_base_/models/point_mae_classifier.py',
    '../_base_/datasets/modelnet40_fewshot.py',
    '../_base_/schedules/finetune_150e.py',
    '../_base_/classification_runtime.py',
]

# As many classes as a fold has; tools/sweep.py sets it.
model = dict(backbone=dict(num_groups=64), head=dict(num_classes=5))
