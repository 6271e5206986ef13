# The control row: from scratch, semantic segmentation on S3DIS, for a CPU.
_base_ = '../act/act_semseg_s3dis_tiny.py'

model = dict(backbone=dict(init_cfg=None))
