# The tiny Point-MAE on scenes: 256 patches.
_base_ = './point_mae_tiny.py'

num_groups = 256

model = dict(student=dict(num_groups=num_groups))
