# The control row: from scratch on ScanObjectNN, OBJ_BG.
_base_ = '../act/act_cls_scanobjectnn-objbg.py'

model = dict(backbone=dict(init_cfg=None))
