# The control row: from scratch on ScanObjectNN, OBJ_ONLY.
_base_ = [
    '../_base_/models/scratch_classifier.py',
    '../_base_/datasets/scanobjectnn-objonly.py',
    '../_base_/schedules/finetune_300e.py',
    '../_base_/classification_runtime.py',
]
