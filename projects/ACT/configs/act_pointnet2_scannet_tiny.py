# The same with the tiny student, for a CPU of two cores.
_base_ = ['./act_pointnet2_scannet.py', './_base_/tiny_student.py']

custom_imports = _base_.imports_without_gpu
model = dict(
    backbone=_base_.tiny_student,
    neck=dict(in_channels=_base_.tiny_student.embed_dims),
)
train_dataloader = dict(batch_size=4, num_workers=2)
