# Point-MAE, fine-tuned on ScanObjectNN, OBJ_BG.
_base_ = [
    '../_base_/models/point_mae_classifier.py',
    '../_base_/datasets/scanobjectnn-objbg.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]

# Its augmentation.
train_dataloader = dict(dataset=dict(pipeline=_base_.scaled_and_shifted))
