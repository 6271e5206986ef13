# ACT, fine-tuned on ScanObjectNN, PB_T50_RS.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/scanobjectnn.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]
