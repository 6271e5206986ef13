"""Parameter names of fine-tuned classifiers in published checkpoints.

ACT's and Point-MAE's are the same; ACT's side-tuned ones have the side
network besides.
"""

from __future__ import annotations

from mmdet3d_act.converters.keys import PATCH_EMBED, STUDENT, Rules, nest

SIDE_TUNING: Rules = [
    (r'side_alpha', r'alpha'),
    *nest(PATCH_EMBED, 'side.', 'patch_embed.'),
    (r'side_projection\.(.+)', r'proj.\1'),
]
CLASSIFIER: Rules = [
    *nest(STUDENT, '', 'backbone.'),
    (r'cls_head_finetune\.(.+)', r'head.layers.\1'),
    *nest(SIDE_TUNING, '', 'neck.'),
]
