# The control row: from scratch, few-shot ModelNet40 on the published folds.
_base_ = '../act/act_fewshot_modelnet40.py'

model = dict(backbone=dict(init_cfg=None))
