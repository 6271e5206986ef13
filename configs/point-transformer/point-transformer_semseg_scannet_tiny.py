# The control row: from scratch, semantic segmentation on ScanNet, for a
# CPU.
_base_ = '../act/act_semseg_scannet_tiny.py'

model = dict(backbone=dict(init_cfg=None))
