# ACT, stage I, with ResMLP-24 as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/resmlp-24.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
