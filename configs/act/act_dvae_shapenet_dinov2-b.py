# ACT, stage I, with DINOv2 ViT-B as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/dinov2-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
