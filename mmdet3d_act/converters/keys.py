"""Parameter names of the published implementations, and ours: one table.

Every table is a list of (pattern, replacement); the first pattern that
matches a whole name wins. A name that no pattern matches is reported, never
dropped; a name whose replacement is None is dropped for the stated reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

Rules = list[tuple[str, str | None]]

PATCH_EMBED: Rules = [
    (r'first_conv\.0\.(.+)', r'conv1.\1'),
    (r'first_conv\.1\.(.+)', r'norm1.\1'),
    (r'first_conv\.3\.(.+)', r'conv2.\1'),
    (r'second_conv\.0\.(.+)', r'conv3.\1'),
    (r'second_conv\.1\.(.+)', r'norm2.\1'),
    (r'second_conv\.3\.(.+)', r'conv4.\1'),
]
DGCNN: Rules = [
    (r'input_trans\.(.+)', r'proj.\1'),
    (r'layer1\.0\.(.+)', r'layers.0.conv.\1'),
    (r'layer1\.1\.(.+)', r'layers.0.norm.\1'),
    (r'layer2\.0\.(.+)', r'layers.1.conv.\1'),
    (r'layer2\.1\.(.+)', r'layers.1.norm.\1'),
    (r'layer3\.0\.(.+)', r'layers.2.conv.\1'),
    (r'layer3\.1\.(.+)', r'layers.2.norm.\1'),
    (r'layer4\.0\.(.+)', r'layers.3.conv.\1'),
    (r'layer4\.1\.(.+)', r'layers.3.norm.\1'),
    (r'layer5\.0\.(.+)', r'fuse.\1'),
    (r'layer5\.1\.(.+)', r'norm.\1'),
]
FOLDING: Rules = [
    (r'mlp\.(.+)', r'coarse.\1'),
    (r'final_conv\.0\.(.+)', r'fold1.\1'),
    (r'final_conv\.1\.(.+)', r'norm1.\1'),
    (r'final_conv\.3\.(.+)', r'fold2.\1'),
    (r'final_conv\.4\.(.+)', r'norm2.\1'),
    (r'final_conv\.6\.(.+)', r'fold3.\1'),
]
POSITION: Rules = [(r'0\.(.+)', r'fc1.\1'), (r'2\.(.+)', r'fc2.\1')]
BLOCKS: Rules = [(r'(\d+\..+)', r'\1')]
NORM: Rules = [(r'(weight|bias)', r'\1')]


def nest(rules: Rules, prefix: str, new_prefix: str) -> Rules:
    """Make rules of a part to rules of the whole.

    Args:
        rules: Rules of the part.
        prefix: What stands before the part's names, not a pattern.
        new_prefix: What shall stand before them.
    """
    return [
        (
            re.escape(prefix) + pattern,
            None if new is None else new_prefix + new,
        )
        for pattern, new in rules
    ]


AUTOENCODER: Rules = [
    (r'codebook', r'codebook'),
    *nest(PATCH_EMBED, 'encoder.', 'patch_embed.'),
    *nest(DGCNN, 'dgcnn_1.', 'to_logits.'),
    *nest(DGCNN, 'dgcnn_2.', 'mixer.'),
    *nest(FOLDING, 'decoder.', 'decoder.'),
]
STUDENT: Rules = [
    (r'(cls_token|cls_pos)', r'\1'),
    *nest(PATCH_EMBED, 'encoder.', 'patch_embed.'),
    (r'(reduce_dim\..+)', r'\1'),
    *nest(POSITION, 'pos_embed.', 'pos_embed.'),
    *nest(BLOCKS, 'blocks.blocks.', 'blocks.'),
    *nest(NORM, 'norm.', 'norm.'),
    # Stored in stage-II checkpoints, and never reached by a gradient.
    (r'(lm_head|cls_head)\..+', None),
]


def _pretraining(encoder: str, decoder: str, objective: str) -> Rules:
    neck = f'objectives.{objective}.neck.'
    return [
        *nest(STUDENT, f'{encoder}.', 'student.'),
        (r'mask_token', f'{neck}mask_token'),
        (r'cls_pos', f'{neck}cls_pos'),
        *nest(POSITION, 'decoder_pos_embed.', f'{neck}pos_embed.'),
        *nest(BLOCKS, f'{decoder}.blocks.', f'{neck}blocks.'),
        *nest(NORM, f'{decoder}.norm.', f'{neck}norm.'),
        (r'proj_head\.(.+)', rf'objectives.{objective}.head.proj.\1'),
        (r'increase_dim\.0\.(.+)', rf'objectives.{objective}.head.proj.\1'),
    ]


ACT_PRETRAINING = _pretraining('ACT_encoder', 'ACT_decoder', 'act')
POINT_MAE_PRETRAINING = _pretraining('MAE_encoder', 'MAE_decoder', 'point_mae')
# Of fine-tuned classifiers: ACT's and Point-MAE's are the same; ACT's
# side-tuned ones have the side network besides.
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
# Of segmentation networks: Point-MAE's names, and ACT's, which appended
# ``_cls`` to the new layers'.
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
# Of Point-BERT, MaskPoint and ReCon the backbone alone is converted: their
# objectives have no counterpart here. Training updates the query network, the
# key network is its moving average.
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
# Of 3DETR. MaskPoint's pretraining on ScanNet has the encoder of such a
# detector.
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
    """Make rules of a layer to those of numbered layers.

    They have one group each; the number of the layer comes before it.
    """
    return [
        (
            rf'{re.escape(prefix)}(\d+)\.{pattern}',
            rf'{new_prefix}\1.' + new.replace(r'\1', r'\2'),
        )
        for pattern, new in rules
    ]


def _projection(new: str, first: int) -> Rules:
    """Rename the projection's layers, which have a ReLU between them."""
    return [
        (
            rf'encoder_to_decoder_projection\.layers\.{first + 3 * i}\.(.+)',
            rf'projection.{new}.{i}.\1',
        )
        for i in range(3)
    ]


ENCODER: Rules = [
    *nest(SET_ABSTRACTION, 'pre_encoder.', 'set_abstraction.'),
    *_layers(_ENCODER_LAYER, 'encoder.layers.', 'layers.'),
    *nest(SET_ABSTRACTION, 'encoder.interim_downsampling.', 'downsample.'),
]
HEAD: Rules = [
    *_projection('fcs', 0),
    *_projection('norms', 1),
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
# What the published code keeps apart: prompts of the first block, which are
# the first row of ours, and those of the later ones.
PROMPTS = {
    'visual_prompt_token': ('prompts.tokens', slice(0, 1)),
    'visual_prompt_pos': ('prompts.pos', slice(0, 1)),
    'deep_prompt_tokens': ('prompts.tokens', slice(1, None)),
    'deep_prompt_pos': ('prompts.pos', slice(1, None)),
}


def translate(name: str, rules: Rules) -> tuple[bool, str | None]:
    """Look up whether a rule knows ``name``, and the name's replacement."""
    for pattern, new in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return True, None if new is None else match.expand(new)
    return False, None


def convert(
    state: Mapping[str, Tensor], rules: Rules
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the tensors of a published state dict.

    Weights of convolutions of kernel size 1 become those of linear layers.

    Returns:
        The renamed tensors, and the names that no rule knows.
    """
    renamed, unknown = {}, []
    for name, value in state.items():
        known, new = translate(name, rules)
        if not known:
            unknown.append(name)
        elif new is not None:
            pointwise = value.ndim > 2 and value.shape[2:].numel() == 1
            renamed[new] = value.flatten(1) if pointwise else value
    return renamed, unknown


def teacher_names(
    names: Iterable[str], *, frozen: bool = True, prefix: str = 'teacher.'
) -> dict[str, str | tuple[str, slice]]:
    """Look up our name of each published parameter of a teacher.

    Args:
        names: Published names; those that are not a teacher's are left out.
        frozen: Whether the teacher's Transformer is frozen here.
        prefix: What stands before our names.

    Returns:
        Our name, or for prompts, of which ours hold all blocks in one, the
        name and the rows.
    """
    encoder = 'encoder.module.' if frozen else 'encoder.'
    rules: Rules = [
        (r'proj_pre\.(.+)', r'proj_in.\1'),
        (r'proj_post\.(.+)', r'proj_out.\1'),
        *nest(POSITION, 'visual_pos_embed.', 'pos_embed.'),
        (r'visual_embed\.0\.layer\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.0\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.1\.(weight|bias)', rf'{encoder}norm.\1'),
        # CLIP's: norm, blocks, norm.
        (r'visual_embed\.0\.(weight|bias)', rf'{encoder}pre_norm.\1'),
        (r'visual_embed\.1\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.2\.(weight|bias)', rf'{encoder}norm.\1'),
    ]
    found: dict[str, str | tuple[str, slice]] = {}
    for name in names:
        if name in PROMPTS:
            new, rows = PROMPTS[name]
            found[name] = (prefix + new, rows)
        elif (own := translate(name, rules)[1]) is not None:
            found[name] = prefix + own
    return found


def convert_teacher(
    state: Mapping[str, Tensor],
    *,
    frozen: bool = True,
    prefix: str = 'teacher.',
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rename the teacher's part of a published stage-I state dict.

    Args:
        state: Published name to tensor.
        frozen: Whether the teacher's Transformer is frozen here.
        prefix: What stands before our names.

    Returns:
        The teacher's tensors by our names, and the tensors that are not the
        teacher's by their published names.
    """
    names = teacher_names(state, frozen=frozen, prefix=prefix)
    renamed: dict[str, Tensor] = {}
    # Of prompts those of the first block come first.
    for name in [*PROMPTS, *(n for n in names if n not in PROMPTS)]:
        place = names.get(name)
        if isinstance(place, str):
            renamed[place] = state[name]
        elif place is not None:
            first = [renamed[place[0]]] if place[0] in renamed else []
            renamed[place[0]] = torch.cat([*first, state[name]])
    rest = {name: state[name] for name in state if name not in names}
    return renamed, rest
