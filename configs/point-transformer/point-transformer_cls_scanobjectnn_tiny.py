# The control row: from scratch on ScanObjectNN, for a CPU.
_base_ = '../act/act_cls_scanobjectnn_tiny.py'

model = dict(backbone=dict(init_cfg=None))
