"""Parameter names of checkpoints of which the backbone alone is converted.

Point-BERT, MaskPoint and ReCon: their objectives have no counterpart here.
"""

from __future__ import annotations

from mmdet3d_act.converters.keys import (
    BLOCKS,
    NORM,
    PATCH_EMBED,
    POSITION,
    STUDENT,
    Rules,
    nest,
)

# Point-BERT's and MaskPoint's query network, which training updates; the key
# network is its moving average.
QUERY_NETWORK: Rules = nest(STUDENT, 'transformer_q.', '')
# ReCon's patches see neither its class token nor those of image and text,
# which read the patches by cross-attention.
RECON: Rules = [
    *nest(PATCH_EMBED, 'encoder.', 'patch_embed.'),
    (r'(reduce_dim\..+)', r'\1'),
    *nest(POSITION, 'pos_embed.', 'pos_embed.'),
    (r'blocks\.blocks\.\d+\.(?:norm1|norm2|mlp|attn)_contrast\..+', None),
    *nest(BLOCKS, 'blocks.blocks.', 'blocks.'),
    *nest(NORM, 'norm.', 'norm.'),
]
RECON_PRETRAINING: Rules = nest(RECON, 'MAE_encoder.', '')
