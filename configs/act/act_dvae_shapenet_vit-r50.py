# ACT, stage I, with a hybrid ViT-B on ResNet-50 as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/vit-r50.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
