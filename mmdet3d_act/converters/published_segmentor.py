"""Parameter names of published segmentation networks, and ours.

Point-MAE's names, and ACT's, which appended ``_cls`` to the new layers'.
"""

from __future__ import annotations

from mmdet3d_act.converters.keys import (
    BLOCKS,
    NORM,
    PATCH_EMBED,
    POSITION,
    Rules,
    nest,
)

SEMANTIC_SEGMENTOR: Rules = [
    *nest(PATCH_EMBED, 'encoder.', 'backbone.patch_embed.'),
    *nest(POSITION, 'pos_embed.', 'backbone.pos_embed.'),
    *nest(BLOCKS, 'blocks.blocks.', 'backbone.blocks.'),
    *nest(NORM, 'norm.', 'backbone.norm.'),
    (
        r'propagation_0(?:_cls)?\.mlp_convs\.(\d+\..+)',
        r'decode_head.propagation.fcs.\1',
    ),
    (
        r'propagation_0(?:_cls)?\.mlp_bns\.(\d+\..+)',
        r'decode_head.propagation.norms.\1',
    ),
    (r'convs([123])(?:_cls)?\.(.+)', r'decode_head.fc\1.\2'),
    (r'bns([12])(?:_cls)?\.(.+)', r'decode_head.norm\1.\2'),
]
PART_SEGMENTOR: Rules = [
    *SEMANTIC_SEGMENTOR,
    (r'label_conv(?:_cls)?\.0\.(.+)', r'decode_head.category_fc.\1'),
    (r'label_conv(?:_cls)?\.1\.(.+)', r'decode_head.category_norm.\1'),
]
