# The control row: from scratch, semantic segmentation on ScanNet.
_base_ = '../act/act_semseg_scannet.py'

model = dict(backbone=dict(init_cfg=None))
