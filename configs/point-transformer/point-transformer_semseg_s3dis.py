# The control row: from scratch, semantic segmentation on S3DIS.
_base_ = '../act/act_semseg_s3dis.py'

model = dict(backbone=dict(init_cfg=None))
