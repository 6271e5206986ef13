# The control row: from scratch on ModelNet40, for a CPU.
_base_ = '../act/act_cls_modelnet40_tiny.py'

model = dict(backbone=dict(init_cfg=None))
