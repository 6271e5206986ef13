# ACT, stage I, with BEiT-B as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/beit-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
