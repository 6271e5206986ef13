# Semantic segmentation of scenes: Adam, 1e-3, decay 0.01, 200 epochs, which is
# MMDetection3D's own schedule.
_base_ = 'mmdet3d::_base_/schedules/seg-cosine-200e.py'

train_cfg = dict(val_interval=5)
auto_scale_lr = dict(base_batch_size=8)
