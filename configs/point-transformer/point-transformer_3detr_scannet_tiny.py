# The control row: from scratch, detection on ScanNet, for a CPU.
_base_ = '../act/act_3detr_scannet_tiny.py'

model = dict(backbone=dict(init_cfg=None))
