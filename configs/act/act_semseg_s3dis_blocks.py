# The same, tested block-wise too: the other published score.
_base_ = './act_semseg_s3dis.py'

test_dataloader = _base_.val_dataloader
test_evaluator = _base_.val_evaluator
