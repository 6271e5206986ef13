# The control row: from scratch, few-shot on folders of 16 classes, for a CPU.
_base_ = '../act/act_fewshot_real-shapes_tiny.py'

model = dict(backbone=dict(init_cfg=None))
