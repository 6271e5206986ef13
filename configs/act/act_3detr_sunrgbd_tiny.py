# ACT, fine-tuned for detection on SUN RGB-D, for a CPU of two cores.
_base_ = [
    '../_base_/models/act_3detr_tiny.py',
    '../_base_/datasets/sunrgbd_det_tiny.py',
    '../_base_/schedules/3detr_tiny.py',
    '../_base_/detection_runtime.py',
]

num_classes = 10
num_angle_bins = 12

model = dict(
    bbox_head=dict(
        num_classes=num_classes,
        num_angle_bins=num_angle_bins,
        box_coder=dict(num_angle_bins=num_angle_bins),
        loss=dict(num_classes=num_classes),
    )
)
default_hooks = dict(logger=dict(interval=10))
