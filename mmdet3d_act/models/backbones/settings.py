"""What weights do not show by their shapes, and what they do.

A checkpoint fits a backbone by its shapes and may still mean another one:
the number of heads, the way residuals are added, the size of the patches.
These settings travel with the checkpoint and are compared on loading.
"""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmdet3d_act.files import CheckpointError

STUDENT = 'PointTransformer'
# Another value gives other features from the same weights.
MUST_AGREE = ('num_heads', 'residual')
# Another value is a choice; the features are trained for this one.
SHOULD_AGREE = ('group_size',)


def backbone_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of a point Transformer that its weights tell.

    Args:
        state: State dict of a backbone, without a prefix.

    Raises:
        ValueError: If it is that of another network.
    """
    layers = {key.split('.')[1] for key in state if key.startswith('blocks.')}
    if not layers or 'norm.weight' not in state:
        raise ValueError(
            'it holds no point Transformer, only a patch embedding'
        )
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


def describe_sizes(state: Mapping[str, Tensor]) -> str:
    """Return the sizes of a backbone for an error message.

    Args:
        state: State dict of a backbone, without a prefix.
    """
    try:
        sizes = backbone_sizes(state)
    except (KeyError, IndexError, ValueError) as error:
        return str(error)
    # A checkpoint without a class token fills a backbone with one, too.
    sizes.pop('with_cls_token')
    return ', '.join(f'{key}={value}' for key, value in sizes.items())


def checkpoint_settings(checkpoint: Mapping) -> dict[str, Any]:
    """Return what a checkpoint says of its backbone beyond the weights.

    A converted file keeps the settings; a checkpoint of a training keeps its
    config as text, which is read here and not executed.

    Args:
        checkpoint: A loaded file.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return {}
    if isinstance(meta.get('backbone'), Mapping):
        return dict(meta['backbone'])
    model = read_config_text(meta.get('cfg')).get('model')
    named = model if isinstance(model, dict) else {}
    # A target generator may have a point Transformer of its own.
    places = [named.get('student'), named.get('backbone'), model]
    found = (_find_student(place) for place in places)
    return next((one for one in found if one is not None), {})


def describe_settings(settings: Mapping[str, Any], module: nn.Module) -> str:
    """Return settings that weights do not show, for an error message.

    Args:
        settings: From :func:`checkpoint_settings`.
        module: The backbone, whose defaults stand for what is not said.

    Returns:
        Those that must agree, each with a comma before it; nothing where the
        checkpoint says nothing.
    """
    found = {
        key: settings.get(key, _default(module, key))
        for key in MUST_AGREE
        if settings and hasattr(module, key)
    }
    return ''.join(f', {key}={value!r}' for key, value in found.items())


def _default(module: nn.Module, key: str) -> object:
    """Return what a backbone takes for a setting that a config lacks."""
    arguments = inspect.signature(type(module).__init__).parameters
    return arguments[key].default if key in arguments else None


def compare_settings(
    settings: Mapping[str, Any], module: nn.Module, checkpoint: str
) -> None:
    """Compare a checkpoint's settings with those of a backbone.

    Args:
        settings: From :func:`checkpoint_settings`.
        module: The backbone.
        checkpoint: Name of the checkpoint, for messages.

    Raises:
        ValueError: If the same weights would give other features.
    """
    if not settings:
        return
    for key in (*MUST_AGREE, *SHOULD_AGREE):
        if not hasattr(module, key):
            continue
        # A config says what differs from the defaults.
        theirs = settings.get(key, _default(module, key))
        ours = getattr(module, key)
        if theirs == ours:
            continue
        text = (
            f'{checkpoint} was trained with {key}={theirs!r}, this '
            f'{type(module).__name__} has {key}={ours!r}'
        )
        if key in MUST_AGREE:
            raise CheckpointError(
                f'{text}; the shapes agree but the features would not: set '
                f'{key} to that of the checkpoint'
            )
        print_log(
            f'{text}; it embeds patches of another size less well',
            logger='current',
            level=logging.WARNING,
        )


def read_config_text(text: object) -> dict[str, Any]:
    """Return what a config's text assigns, without executing it.

    Args:
        text: As checkpoints keep it. Assignments of other things than dicts,
            sequences and constants are left out.
    """
    if not isinstance(text, str):
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(
            node.targets[0], ast.Name
        ):
            try:
                found[node.targets[0].id] = _literal(node.value)
            except ValueError:
                continue
    return found


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Call):
        named = all(keyword.arg for keyword in node.keywords)
        is_dict = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if not (is_dict and named) or node.args:
            raise ValueError(ast.unparse(node.func))
        return {key.arg: _literal(key.value) for key in node.keywords}
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(key): _literal(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(one) for one in node.elts]
    return ast.literal_eval(node)


def _find_student(node: object) -> dict | None:
    return next(
        (
            one
            for one in _dicts(node)
            if str(one.get('type')).rpartition('.')[2] == STUDENT
        ),
        None,
    )


def _dicts(node: object) -> Iterator[dict]:
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _dicts(value)
