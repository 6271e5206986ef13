# ScanObjectNN's OBJ_ONLY: objects without background, not perturbed.
_base_ = './scanobjectnn.py'

train_dataloader = dict(dataset=dict(variant='objonly'))
val_dataloader = dict(dataset=dict(variant='objonly'))
test_dataloader = val_dataloader
