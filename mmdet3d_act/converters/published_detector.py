"""Parameter names of released 3DETR detectors, and ours.

MaskPoint's pretraining on ScanNet has the encoder of such a detector.
"""

from __future__ import annotations

import re

from mmdet3d_act.converters.keys import Rules, nest

SET_ABSTRACTION: Rules = [
    (r'mlp_module\.layer(\d+)\.conv\.(weight)', r'fcs.\1.\2'),
    (r'mlp_module\.layer(\d+)\.bn\.bn\.(.+)', r'norms.\1.\2'),
]
_LINEAR: Rules = [(r'(weight|bias)', r'\1')]
_ATTENTION: Rules = [
    (r'in_proj_(weight|bias)', r'qkv.\1'),
    *nest(_LINEAR, 'out_proj.', 'proj.'),
]
_MLP_AND_NORMS: Rules = [
    *nest(_LINEAR, 'linear1.', 'mlp.fc1.'),
    *nest(_LINEAR, 'linear2.', 'mlp.fc2.'),
    (r'(norm[123]\..+)', r'\1'),
]
_ENCODER_LAYER: Rules = [
    *nest(_ATTENTION, 'self_attn.', 'attn.'),
    *_MLP_AND_NORMS,
]
_DECODER_LAYER: Rules = [
    *nest(_ATTENTION, 'self_attn.', 'self_attn.'),
    *nest(_ATTENTION, 'multihead_attn.', 'cross_attn.'),
    *_MLP_AND_NORMS,
]
_BOX_MLP: Rules = [
    (r'layers\.0\.(weight)', r'fc1.\1'),
    (r'layers\.1\.(.+)', r'norm1.\1'),
    (r'layers\.4\.(weight)', r'fc2.\1'),
    (r'layers\.5\.(.+)', r'norm2.\1'),
    (r'layers\.8\.(.+)', r'fc3.\1'),
]
_BOX_MLPS = {
    'sem_cls_head': 'cls_mlp',
    'center_head': 'center_mlp',
    'size_head': 'size_mlp',
    'angle_cls_head': 'angle_cls_mlp',
    'angle_residual_head': 'angle_residual_mlp',
}


def _layers(rules: Rules, prefix: str, new_prefix: str) -> Rules:
    """Return the rules of a layer as those of numbered layers.

    They have one group each; the number of the layer comes before it.
    """
    return [
        (
            rf'{re.escape(prefix)}(\d+)\.{pattern}',
            rf'{new_prefix}\1.' + new.replace(r'\1', r'\2'),
        )
        for pattern, new in rules
    ]


ENCODER: Rules = [
    *nest(SET_ABSTRACTION, 'pre_encoder.', 'set_abstraction.'),
    *_layers(_ENCODER_LAYER, 'encoder.layers.', 'layers.'),
    *nest(SET_ABSTRACTION, 'encoder.interim_downsampling.', 'downsample.'),
]
HEAD: Rules = [
    *(
        (
            rf'encoder_to_decoder_projection\.layers\.{3 * layer}\.(.+)',
            rf'projection.fcs.{layer}.\1',
        )
        for layer in range(3)
    ),
    *(
        (
            rf'encoder_to_decoder_projection\.layers\.{3 * layer + 1}\.(.+)',
            rf'projection.norms.{layer}.\1',
        )
        for layer in range(3)
    ),
    (r'pos_embedding\.gauss_B', r'pos_embed.frequencies'),
    (r'query_projection\.layers\.0\.(.+)', r'query_embed.fc1.\1'),
    (r'query_projection\.layers\.2\.(.+)', r'query_embed.fc2.\1'),
    *_layers(_DECODER_LAYER, 'decoder.layers.', 'decoder.layers.'),
    (r'decoder\.norm\.(.+)', r'decoder.norm.\1'),
    *(
        rule
        for published, own in _BOX_MLPS.items()
        for rule in nest(_BOX_MLP, f'mlp_heads.{published}.', f'{own}.')
    ),
]
DETECTOR: Rules = [
    *nest(ENCODER, '', 'backbone.'),
    *nest(HEAD, '', 'bbox_head.'),
]
MASKPOINT_ENCODER: Rules = [
    *nest(SET_ABSTRACTION, 'transformer_q.encoder.', 'set_abstraction.'),
    *_layers(_ENCODER_LAYER, 'transformer_q.blocks.layers.', 'layers.'),
]
