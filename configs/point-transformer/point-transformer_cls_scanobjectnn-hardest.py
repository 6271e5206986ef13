# The control row: from scratch on ScanObjectNN, PB_T50_RS.
_base_ = '../act/act_cls_scanobjectnn-hardest.py'

model = dict(backbone=dict(init_cfg=None))
