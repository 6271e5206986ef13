# The control row: from scratch on ModelNet40, 1024 points.
_base_ = '../act/act_cls_modelnet40.py'

model = dict(backbone=dict(init_cfg=None))
