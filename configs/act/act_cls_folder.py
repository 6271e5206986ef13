# ACT, fine-tuned on a folder of your own clouds, 1024 points:
# ACT_CLOUDS=FOLDER; classes and splits are those of the folder.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/point_folder_cls.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

classes_from_data = True
model = dict(backbone=dict(num_groups=64), head=dict(num_classes=2))
