# ScanObjectNN's OBJ_BG: objects with background, not perturbed.
_base_ = './scanobjectnn.py'

train_dataloader = dict(dataset=dict(variant='objbg'))
val_dataloader = dict(dataset=dict(variant='objbg'))
test_dataloader = val_dataloader
