# ACT, stage I, with CLIP's ViT-B as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/clip-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
