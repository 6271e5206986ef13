# ACT, stage I, with BERT-base as the teacher.
_base_ = ['./act_dvae_shapenet.py', '../_base_/models/teachers/bert-b.py']

model = dict(teacher=dict(_delete_=True, **_base_.teacher))
