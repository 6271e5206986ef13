"""Pretrained backbones: their sizes, their settings, and loading them.

A checkpoint fits a backbone by its shapes and may still mean another one: the
number of heads, the way residuals are added, the size of the patches. These
settings travel with the checkpoint and are compared on loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from mmdet3d_act.checkpoint import (
    CONVERTER,
    CheckpointError,
    fill_module,
    read_checkpoint,
    under_prefix,
    weights_of,
)
from mmdet3d_act.models.layers.lora import merge_lora, without_lora
from mmdet3d_act.text import inform, warn

PREFIXES = (
    '',
    'student.',
    'backbone.',
    'module.student.',
    'module.backbone.',
    'module.',
)
# What a checkpoint keeps of its backbone beside the weights.
SETTINGS = (
    'num_heads',
    'num_groups',
    'group_size',
    'position',
    'residual',
    'skip_origin',
)
# Another value gives other features from the same weights.
MUST_AGREE = ('num_heads', 'residual')
# Another value is a choice; the features are trained for this one.
SHOULD_AGREE = ('group_size',)


def load_backbone(
    module: nn.Module,
    init_cfg: Mapping[str, Any],
    *,
    anchor: str,
    describe: Callable[[dict], str],
    optional: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Fill every parameter and buffer of a backbone from a checkpoint.

    Args:
        module: The backbone.
        init_cfg: With ``checkpoint``, and where needed ``prefix`` (of the
            backbone's names; found by itself without), ``allow_unused``
            (take what the backbone has and leave the rest of the
            checkpoint's, such as its later blocks) and ``pretrain_config``
            (the config that trains it, named where it is missing).
        anchor: Name of a parameter that every such backbone has.
        describe: Says the sizes of a state dict, for the error.
        optional: Names of a part that the checkpoint or the backbone may be
            without. Where the checkpoint is, they stay as initialised.

    Returns:
        What the checkpoint says of the data it was trained on (may be
        empty).

    Raises:
        CheckpointError: If there is no checkpoint, it does not fit, or it was
            trained with settings that give other features.
    """
    source = init_cfg['checkpoint']
    config = init_cfg.get('pretrain_config')
    loaded = read_checkpoint(
        source,
        map_location=init_cfg.get('map_location') or 'cpu',
        remedy=config and f'train it by `python tools/train.py {config}`',
    )
    state = backbone_state(loaded, source, anchor, init_cfg.get('prefix'))
    settings = checkpoint_settings(loaded)
    # The config of a student names the sizes, too.
    told = ''.join(f', {k}={settings[k]!r}' for k in SETTINGS if k in settings)
    remedy = (
        'give the backbone the sizes that the checkpoint was trained with: '
        f'{describe(state)}{told}; allow_unused=True in init_cfg leaves out '
        'on purpose what has no place'
    )
    with without_lora(module):
        match = fill_module(
            module,
            state,
            source,
            optional=optional,
            allow_unused=init_cfg.get('allow_unused', False),
            remedy=remedy,
        )
    compare_settings(settings, module, source)
    if match.missing:
        warn(
            f'{source} was trained without {", ".join(match.missing)}; they '
            'stay as initialised, as in the published transfer of such '
            'networks, and have to be trained'
        )
    inform(
        f'{type(module).__name__}: {match.filled} tensors loaded from {source}'
    )
    return dict((loaded.get('meta') or {}).get('dataset_meta') or {})


def backbone_state(
    checkpoint: Mapping[str, Any],
    source: str,
    anchor: str,
    prefix: str | None = None,
) -> dict[str, Tensor]:
    """Take a backbone's weights out of a checkpoint.

    Args:
        checkpoint: What a file holds.
        source: What it is called in messages.
        anchor: Name of a parameter that every such backbone has.
        prefix: Prefix of the backbone's names; found by itself when None.

    Returns:
        The state dict without the prefix, low-rank updates added to their
        weights.

    Raises:
        CheckpointError: If the checkpoint holds no such backbone.
    """
    state = weights_of(checkpoint, source)
    prefixes = PREFIXES if prefix is None else (prefix,)
    found = next((p for p in prefixes if p + anchor in state), None)
    if found is None:
        raise CheckpointError(
            f'{source} holds no such backbone: no {anchor!r} under the '
            f'prefixes {list(prefixes)} among {len(state)} names '
            f'({", ".join(list(state)[:3])}, ...); give its prefix in '
            f'init_cfg, or convert a published file first: `{CONVERTER}`'
        )
    return merge_lora(under_prefix(state, found))


def backbone_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Tell the arguments of a point Transformer by its weights.

    Args:
        state: State dict of a backbone, without a prefix.

    Raises:
        CheckpointError: If it is that of another network, or incomplete.
    """
    layers = {key.split('.')[1] for key in state if key.startswith('blocks.')}
    if not layers or 'norm.weight' not in state:
        raise CheckpointError(
            'it holds no point Transformer, only a patch embedding'
        )
    try:
        width = len(state['norm.weight'])
        convs = [state[f'patch_embed.conv{i}.weight'] for i in (1, 2, 3, 4)]
        return dict(
            in_channels=convs[0].shape[1],
            embed_dims=width,
            num_layers=len(layers),
            mlp_ratio=len(state['blocks.0.mlp.fc1.weight']) / width,
            qkv_bias='blocks.0.attn.qkv.bias' in state,
            patch_dims=len(convs[3]),
            patch_channels=tuple(len(conv) for conv in convs[:3]),
            with_cls_token='cls_token' in state,
        )
    except KeyError as error:
        raise CheckpointError(f'it lacks {error}') from error


def describe_sizes(state: Mapping[str, Tensor]) -> str:
    """Describe the sizes of a backbone for a message.

    Args:
        state: State dict of a backbone, without a prefix.
    """
    try:
        sizes = backbone_sizes(state)
    except CheckpointError as error:
        return str(error)
    # A checkpoint without a class token fills a backbone with one, too.
    sizes.pop('with_cls_token')
    return ', '.join(f'{key}={value}' for key, value in sizes.items())


def checkpoint_settings(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a checkpoint says of its backbone beyond the weights.

    Converters and ``CheckpointFitHook`` write it.

    Args:
        checkpoint: What a file holds.
    """
    meta = checkpoint.get('meta')
    told = meta.get('backbone') if isinstance(meta, Mapping) else None
    return dict(told) if isinstance(told, Mapping) else {}


def backbone_settings(module: nn.Module) -> dict[str, Any]:
    """Collect what a checkpoint keeps of a backbone beyond the weights.

    Args:
        module: The backbone.
    """
    return {
        key: getattr(module, key) for key in SETTINGS if hasattr(module, key)
    }


def compare_settings(
    settings: Mapping[str, Any], module: nn.Module, source: str
) -> None:
    """Compare a checkpoint's settings with those of a backbone.

    Args:
        settings: From :func:`checkpoint_settings`.
        module: The backbone.
        source: What the checkpoint is called in messages.

    Raises:
        CheckpointError: If the same weights would give other features.
    """
    for key in (*MUST_AGREE, *SHOULD_AGREE):
        ours = getattr(module, key, None)
        if ours is None or settings.get(key, ours) == ours:
            continue
        text = (
            f'{source} was trained with {key}={settings[key]!r}, this '
            f'{type(module).__name__} has {key}={ours!r}'
        )
        if key in MUST_AGREE:
            raise CheckpointError(
                f'{text}; the shapes agree but the features would not: set '
                f'{key} to that of the checkpoint'
            )
        warn(f'{text}; it embeds patches of another size less well')
