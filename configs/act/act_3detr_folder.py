# ACT, fine-tuned to detect what boxes mark in a folder of your own scans:
# ACT_CLOUDS=FOLDER; classes and splits are those of the folder.
_base_ = [
    '../_base_/models/act_3detr.py',
    '../_base_/datasets/scene_folder_det.py',
    '../_base_/schedules/3detr_1080e.py',
    '../_base_/detection_runtime.py',
]

classes_from_data = True
