# The control row: from scratch, part segmentation on ShapeNetPart, for a CPU.
_base_ = '../act/act_partseg_shapenetpart_tiny.py'

model = dict(backbone=dict(init_cfg=None))
