# The control row: from scratch on ModelNet40, 8192 points.
_base_ = '../act/act_cls_modelnet40-8k.py'

model = dict(backbone=dict(init_cfg=None))
