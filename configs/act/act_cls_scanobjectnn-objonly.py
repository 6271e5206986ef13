# ACT, fine-tuned on ScanObjectNN, OBJ_ONLY.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/scanobjectnn-objonly.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]
