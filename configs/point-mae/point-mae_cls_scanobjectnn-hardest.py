# Point-MAE, fine-tuned on ScanObjectNN, PB_T50_RS.
_base_ = [
    '../_base_/models/point_mae_classifier.py',
    '../_base_/datasets/scanobjectnn.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

# Its augmentation.
train_dataloader = dict(dataset=dict(pipeline=_base_.scaled_and_shifted))
