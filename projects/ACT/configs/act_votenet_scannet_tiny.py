# The same with the tiny student, for a CPU of two cores.
_base_ = ['./act_votenet_scannet.py', './_base_/tiny_student.py']

custom_imports = _base_.imports_without_gpu
model = dict(
    backbone=dict(**_base_.tiny_student, num_groups=256),
    neck=dict(in_channels=_base_.tiny_student.embed_dims),
    bbox_head=dict(vote_aggregation_cfg=dict(num_point=64)),
)
train_dataloader = dict(batch_size=4, num_workers=2)
