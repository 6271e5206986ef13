# ACT, fine-tuned for detection on ScanNet.
_base_ = [
    '../_base_/models/act_3detr.py',
    '../_base_/datasets/scannet_det.py',
    '../_base_/schedules/3detr_1080e.py',
    '../_base_/detection_runtime.py',
]
