# The control row: from scratch, detection on ScanNet.
_base_ = '../act/act_3detr_scannet.py'

model = dict(backbone=dict(init_cfg=None))
