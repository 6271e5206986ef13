# The control row: from scratch, part segmentation on ShapeNetPart.
_base_ = '../act/act_partseg_shapenetpart.py'

model = dict(backbone=dict(init_cfg=None))
