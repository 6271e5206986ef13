# ACT, fine-tuned on ModelNet40, 8192 points.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/modelnet40_8k.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

model = dict(backbone=dict(num_groups=512), head=dict(num_classes=40))
