# ACT, stage I, with DeiT-B as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/deit-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
