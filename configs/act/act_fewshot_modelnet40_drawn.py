# Few-shot ModelNet40 on folds that a seed draws from the whole data set.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/modelnet40_fewshot_drawn.py',
    '../_base_/schedules/finetune_150e.py',
    '../_base_/classification_runtime.py',
]

# As many classes as a fold has; tools/sweep.py sets it.
model = dict(backbone=dict(num_groups=64), head=dict(num_classes=5))
