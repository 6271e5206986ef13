# The control row: from scratch on folders of 16 classes, for a CPU.
_base_ = '../act/act_cls_real-shapes_tiny.py'

model = dict(backbone=dict(init_cfg=None))
