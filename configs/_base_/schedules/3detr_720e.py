# 3DETR's training, shorter: as pretrained encoders are compared.
_base_ = './3detr_1080e.py'

max_epochs = 720

param_scheduler = [dict(_base_.param_scheduler[0], end=max_epochs)]
train_cfg = dict(max_epochs=max_epochs)
