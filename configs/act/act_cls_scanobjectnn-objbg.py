# ACT, fine-tuned on ScanObjectNN, OBJ_BG.
_base_ = [
    '../_base_/models/act_classifier.py',
    '../_base_/datasets/scanobjectnn-objbg.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]
