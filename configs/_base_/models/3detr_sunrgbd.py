# 3DETR on SUN RGB-D: turned boxes, matched by what is published for them.
_base_ = './3detr.py'

num_classes = 10
num_angle_bins = 12

model = dict(
    bbox_head=dict(
        num_classes=num_classes,
        num_queries=128,
        num_angle_bins=num_angle_bins,
        box_coder=dict(num_angle_bins=num_angle_bins),
        assigner=dict(giou_cost=3.0, center_cost=5.0, objectness_cost=5.0),
        loss=dict(
            num_classes=num_classes, giou_weight=0.0, no_object_weight=0.1
        ),
    ),
)
