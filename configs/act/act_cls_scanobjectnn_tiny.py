# Fine-tuning on ScanObjectNN, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_classifier_tiny.py',
    '../_base_/datasets/scanobjectnn_tiny.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/classification_runtime.py',
]

default_hooks = dict(logger=dict(interval=10))
