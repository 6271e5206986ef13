# ACT, fine-tuned on ModelNet40, 1024 points.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/modelnet40.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

model = dict(backbone=dict(num_groups=64), head=dict(num_classes=40))
