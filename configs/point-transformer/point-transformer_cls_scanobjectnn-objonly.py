# The control row: from scratch on ScanObjectNN, OBJ_ONLY.
_base_ = '../act/act_cls_scanobjectnn-objonly.py'

model = dict(backbone=dict(init_cfg=None))
