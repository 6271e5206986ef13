# Few-shot on folds drawn from folders of 16 classes, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_classifier_tiny.py',
    '../_base_/datasets/real_shapes_fewshot_tiny.py',
    '../_base_/schedules/finetune_tiny.py',
    '../_base_/classification_runtime.py',
]

# As many classes as a fold has; tools/sweep.py sets it.
model = dict(head=dict(num_classes=5))
