# 3DETR-m, detection on ScanNet, for a CPU of two cores.
_base_ = [
    '../_base_/models/3detr-m_tiny.py',
    '../_base_/datasets/scannet_det_tiny.py',
    '../_base_/schedules/3detr_tiny.py',
    '../_base_/detection_runtime.py',
]

default_hooks = dict(logger=dict(interval=10))
