# Fine-tuning on ModelNet40, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_classifier_tiny.py',
    '../_base_/datasets/modelnet40_tiny.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/classification_runtime.py',
]

model = dict(head=dict(num_classes=40))
default_hooks = dict(logger=dict(interval=10))
