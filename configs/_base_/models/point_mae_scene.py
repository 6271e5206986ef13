# Point-MAE on scenes: the detector's 2048 patches.
_base_ = './point_mae.py'

model = dict(student=dict(num_groups=2048))
