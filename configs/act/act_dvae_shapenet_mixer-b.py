# ACT, stage I, with MLP-Mixer-B as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/mixer-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
