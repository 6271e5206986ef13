"""Configs of the networks that converted weights fill.

Sizes come from the shapes. What shapes do not tell is that of the published
configs, and can be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmdet3d_act.checkpoint import under_prefix
from mmdet3d_act.models.backbones.pretrained import backbone_sizes
from mmdet3d_act.registry import registered_classes

State = Mapping[str, Tensor]
# Channels of an attention head in all published networks.
HEAD_CHANNELS = 64
# timm's plain Transformers by width, as the published configs name them.
VISION_MODELS = {
    192: 'vit_tiny_patch16_384',
    384: 'vit_small_patch16_384',
    768: 'vit_base_patch16_384',
    1024: 'vit_large_patch16_384',
}
# Of blocks that mix a fixed number of tokens, by a part of their names.
MIXERS = {
    'mlp_tokens.': 'mixer_b16_224_in21k',
    'linear_tokens.': 'resmlp_24_distilled_224',
}
# What weights do not tell is that of the published command lines.
NUM_HEADS = 4
NUM_GROUPS = 2048
NUM_QUERIES = {'scannet': 256, 'sunrgbd': 128}
MASKING_RADII = (0.4, 0.8, 1.2)
DOWNSAMPLE_RADIUS = 0.4


def model_config(state: State, task: str, **known: Any) -> dict[str, Any]:
    """Describe a network by its weights.

    Args:
        state: Our name to tensor.
        task: What it is, a part of a format.
        **known: ``num_groups`` and ``residual``, which weights do not tell,
            and ``checkpoint``, where the weights will be.

    Raises:
        ValueError: If the weights are too incomplete to tell.
    """
    makers = {
        'backbone': _backbone,
        'autoencoder': _autoencoder,
        'distiller': _distiller,
        'classifier': _classifier,
        'part_seg': _segmentor,
        'semantic_seg': _segmentor,
        'detector': detector_config,
    }
    try:
        return makers[task](state, **known)
    except (KeyError, IndexError) as error:
        raise ValueError(
            f'the {task} is too incomplete to tell its sizes: {error} is '
            'missing (our name); get the file anew'
        ) from error


def build_on_meta(config: Mapping[str, Any]) -> nn.Module:
    """Build the network of a config without memory for its weights."""
    with torch.device('meta'):
        return build_network(config)


def build_network(node: Any) -> Any:  # noqa: ANN401
    """Build the network of a config, and what it consists of."""
    if not isinstance(node, Mapping):
        return node
    arguments = {
        key: value if key == 'init_cfg' else build_network(value)
        for key, value in node.items()
    }
    if 'type' not in arguments:
        return arguments
    # Not by the registry, which would import all models of the host.
    (network,) = (
        cls
        for cls in registered_classes(arguments.pop('type'))
        if cls.__module__.startswith('mmdet3d_act.')
    )
    return network(**arguments)


def _backbone(
    state: State, num_groups: int = 64, residual: str = 'input', **_: Any
) -> dict[str, Any]:
    if 'set_abstraction.fcs.0.weight' in state:
        return encoder_config(state, num_groups)
    sizes = backbone_sizes(state)
    return dict(
        type='PointTransformer',
        **sizes,
        num_heads=_heads(sizes['embed_dims']),
        num_groups=num_groups,
        group_size=32,
        position='before',
        residual=residual,
        skip_origin=True,
    )


def _autoencoder(
    state: State, num_groups: int = 64, **_: Any
) -> dict[str, Any]:
    convs = [len(state[f'patch_embed.conv{i}.weight']) for i in (1, 2, 3, 4)]
    edges = sum(
        key.startswith('to_logits.layers.') and key.endswith('.conv.weight')
        for key in state
    )
    config = dict(
        type='DiscreteVAE',
        num_groups=num_groups,
        group_size=len(state['decoder.coarse.4.weight']) // 3 * 4,
        embed_dims=convs[3],
        num_codes=len(state['codebook']),
        code_dims=state['codebook'].shape[1],
        decoder_dims=len(state['mixer.fuse.weight']),
        patch_channels=tuple(convs[:3]),
        dgcnn_channels=(
            len(state['to_logits.proj.weight']),
            *(
                len(state[f'to_logits.layers.{i}.conv.weight'])
                for i in range(edges)
            ),
        ),
        folding_channels=(
            len(state['decoder.coarse.0.weight']),
            len(state['decoder.fold1.weight']),
        ),
        skip_origin=True,
    )
    teacher = under_prefix(state, 'teacher.')
    if teacher:
        config['teacher'] = _teacher(teacher)
    return config


def _teacher(state: State) -> dict[str, Any]:
    blocks = under_prefix(state, 'encoder.module.blocks.')
    depth = len({name.split('.')[0] for name in blocks})
    prompts = state.get('prompts.tokens')
    common: dict[str, Any] = dict(
        pretrained=False,
        in_channels=state['proj_in.weight'].shape[1],
        out_channels=len(state['proj_out.weight']),
        num_prompts=0 if prompts is None else prompts.shape[1],
    )
    if prompts is None:
        common['published_gradient_cut'] = True
    else:
        deep = len(prompts) > 1 or depth == 1
        common['prompt_mode'] = 'deep' if deep else 'shallow'
    width = len(state['proj_in.weight'])
    if '0.attention.self.query.weight' in blocks:
        return dict(_language_model(blocks, width, depth), **common)
    if '0.attn.in_proj_weight' in blocks:
        deep = common.get('prompt_mode') == 'deep'
        return dict(
            type='OpenCLIPTeacher',
            model_name='ViT-B-16-quickgelu',
            model_args=dict(
                width=width, layers=depth, head_width=width // _heads(width)
            ),
            published_batch_attention=deep,
            **common,
        )
    return dict(_vision_model(blocks, width, depth), **common)


def _vision_model(blocks: State, width: int, depth: int) -> dict[str, Any]:
    for part, name in MIXERS.items():
        if any(key.partition('.')[2].startswith(part) for key in blocks):
            return dict(type='TimmTeacher', model_name=name)
    config: dict[str, Any] = dict(
        type='TimmTeacher',
        model_name=VISION_MODELS.get(width, VISION_MODELS[192]),
    )
    if width not in VISION_MODELS or depth != (24 if width == 1024 else 12):
        config['model_args'] = dict(
            embed_dim=width, depth=depth, num_heads=_heads(width)
        )
    return config


def _language_model(blocks: State, width: int, depth: int) -> dict[str, Any]:
    return dict(
        type='LanguageTeacher',
        model='bert-base-uncased',
        config=dict(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=_heads(width),
            intermediate_size=len(blocks['0.intermediate.dense.weight']),
        ),
    )


def _distiller(state: State, **known: Any) -> dict[str, Any]:
    name = next(
        key.split('.')[1] for key in state if key.startswith('objectives.')
    )
    objective = f'objectives.{name}.'
    neck = under_prefix(state, f'{objective}neck.')
    student = _backbone(under_prefix(state, 'student.'), **known)
    width, depth = student['embed_dims'], student['num_layers']
    shallow = max(depth * 3 // 4, 1) if 'cls_pos' in neck else None
    if shallow is not None:
        student['out_indices'] = (shallow,)
    layers = {k.split('.')[1] for k in neck if k.startswith('blocks.')}
    decoder = dict(
        type='MaskDecoder',
        embed_dims=width,
        num_layers=len(layers),
        num_heads=student['num_heads'],
        shallow_index=shallow,
    )
    rows = len(state[f'{objective}head.proj.weight'])
    if name == 'act':
        source = f'{objective}target_generator.autoencoder.module.'
        known.pop('residual', None)
        target = dict(
            type='AutoencoderTarget',
            autoencoder=_autoencoder(under_prefix(state, source), **known),
            checkpoint=str(known.get('checkpoint')),
        )
        head = dict(
            type='FeatureHead',
            embed_dims=width,
            target_channels=rows,
            loss=dict(type='CosineFeatureLoss'),
            published_branch_loss=True,
        )
    else:
        student['group_size'] = rows // 3
        target = dict(type='PatchCoordinates')
        head = dict(
            type='CoordinateHead',
            embed_dims=width,
            group_size=rows // 3,
            loss=dict(type='PatchChamferLoss', norm='l2'),
        )
    parts = dict(target_generator=target, neck=decoder, head=head)
    return dict(
        type='Distiller',
        student=student,
        mask=dict(type='RandomPatchMask', ratio=0.8 if name == 'act' else 0.6),
        objectives={name: parts},
    )


def _classifier(state: State, **known: Any) -> dict[str, Any]:
    layers = [
        state[f'head.layers.{index}.weight']
        for index in sorted(
            int(key.split('.')[2])
            for key in state
            if key.startswith('head.layers.') and key.endswith('.weight')
        )
    ]
    linear = [weight for weight in layers if weight.ndim == 2]
    transfer = 'full' if linear[1:] else 'linear'
    return dict(
        type='PointClassifier',
        backbone=_backbone(under_prefix(state, 'backbone.'), **known),
        head=dict(
            type='ClassificationHead',
            in_channels=linear[0].shape[1],
            num_classes=len(linear[-1]),
            hidden_dims=tuple(len(weight) for weight in linear[:-1]),
        ),
        transfer='side' if 'neck.alpha' in state else transfer,
    )


def _segmentor(state: State, **known: Any) -> dict[str, Any]:
    backbone = _backbone(under_prefix(state, 'backbone.'), **known)
    depth = backbone['num_layers']
    fcs = [state[f'decode_head.propagation.fcs.{i}.weight'] for i in (0, 1)]
    taps = (fcs[0].shape[1] - 3) // backbone['embed_dims']
    backbone.update(
        out_indices=tuple(
            depth * (tap + 1) // taps - 1 for tap in range(taps)
        ),
        norm_hidden_states=True,
    )
    head = dict(
        type='SemanticSegHead',
        num_classes=len(state['decode_head.fc3.weight']),
        in_channels=taps * backbone['embed_dims'],
        propagation_channels=tuple(len(weight) for weight in fcs),
        channels=tuple(
            len(state[f'decode_head.fc{i}.weight']) for i in (1, 2)
        ),
    )
    category = state.get('decode_head.category_fc.weight')
    if category is not None:
        head.update(
            type='PartSegHead',
            num_categories=category.shape[1],
            category_channels=len(category),
        )
    return dict(type='PointSegmentor', backbone=backbone, decode_head=head)


def _heads(width: int) -> int:
    return max(width // HEAD_CHANNELS, 1)


def encoder_config(
    state: State, num_groups: int = NUM_GROUPS, **_: Any
) -> dict[str, Any]:
    """Describe an encoder of 3DETR."""
    widths = _widths(state, 'set_abstraction.fcs.')
    layers = {key.split('.')[1] for key in state if key.startswith('layers.')}
    config = dict(
        type='ThreeDETREncoder',
        in_channels=state['set_abstraction.fcs.0.weight'].shape[1],
        embed_dims=widths[-1],
        num_layers=len(layers),
        num_heads=NUM_HEADS,
        feedforward_dims=len(state['layers.0.mlp.fc1.weight']),
        num_groups=num_groups,
        group_size=64,
        radius=0.2,
        channels=tuple(widths[:-1]),
        skip_origin=True,
    )
    if 'downsample.fcs.0.weight' in state:
        if len(layers) != len(MASKING_RADII):
            raise ValueError(
                f'expected the {len(MASKING_RADII)} layers of published '
                f'3DETR-m, got {len(layers)}; which radii these have is not '
                'in the file'
            )
        config.update(
            masking_radii=MASKING_RADII,
            downsample_radius=DOWNSAMPLE_RADIUS,
            downsample_size=32,
            downsample_channels=tuple(_widths(state, 'downsample.fcs.')[:-1]),
        )
    return config


def detector_config(state: State, **known: Any) -> dict[str, Any]:
    """Describe a 3DETR detector."""
    head = under_prefix(state, 'bbox_head.')
    num_classes = len(head['cls_mlp.fc3.weight']) - 1
    num_angle_bins = len(head['angle_cls_mlp.fc3.weight'])
    turned = num_angle_bins > 1
    layers = {
        key.split('.')[2] for key in head if key.startswith('decoder.layers.')
    }
    config = dict(
        type='ThreeDETRHead',
        num_classes=num_classes,
        in_channels=head['projection.fcs.0.weight'].shape[1],
        embed_dims=len(head['decoder.norm.weight']),
        num_queries=NUM_QUERIES['sunrgbd' if turned else 'scannet'],
        num_layers=len(layers),
        num_heads=NUM_HEADS,
        feedforward_dims=len(head['decoder.layers.0.mlp.fc1.weight']),
        projection_channels=tuple(_widths(head, 'projection.fcs.')[:-1]),
        num_angle_bins=num_angle_bins,
        skip_origin=True,
    )
    if turned:
        config.update(_sunrgbd(num_classes))
    backbone = encoder_config(under_prefix(state, 'backbone.'), **known)
    return dict(type='ThreeDETR', backbone=backbone, bbox_head=config)


def _sunrgbd(num_classes: int) -> dict[str, Any]:
    """Describe assignment and loss of the published training on SUN RGB-D."""
    return dict(
        assigner=dict(
            type='HungarianSetAssigner',
            cls_cost=1.0,
            giou_cost=3.0,
            center_cost=5.0,
            objectness_cost=5.0,
            rotation='released',
        ),
        loss=dict(
            type='DetectionSetLoss',
            num_classes=num_classes,
            giou_weight=0.0,
            no_object_weight=0.1,
            rotation='released',
        ),
    )


def _widths(state: State, prefix: str) -> list[int]:
    """List the widths of numbered layers."""
    layers = under_prefix(state, prefix)
    return [len(layers[f'{index}.weight']) for index in range(len(layers))]
