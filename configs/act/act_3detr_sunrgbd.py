# ACT, fine-tuned for detection on SUN RGB-D.
_base_ = [
    '../_base_/models/act_3detr_sunrgbd.py',
    '../_base_/datasets/sunrgbd_det.py',
    '../_base_/schedules/3detr_sunrgbd_1080e.py',
    '../_base_/detection_runtime.py',
]
