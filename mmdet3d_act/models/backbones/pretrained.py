"""Loading a pretrained student, with nothing lost on the way.

MMEngine loads ``init_cfg=dict(type='Pretrained')`` non-strictly and drops the
checkpoint's meta data; a student that stayed random would train quietly on
noise. Here every parameter must be filled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from mmengine.logging import print_log
from mmengine.visualization import Visualizer
from torch import Tensor, nn

from mmdet3d_act import compat

PREFIXES = ('', 'student.', 'backbone.', 'module.student.', 'module.')
COMPARED_META = ('up_axis', 'normalization')


def find_state(checkpoint: Mapping, anchor: str, prefix: str | None) -> dict:
    """Return the part of a checkpoint's weights that is the backbone's.

    Args:
        checkpoint: A loaded file: a state dict, or a mapping that holds one
            under ``state_dict`` or ``model``.
        anchor: Name of a parameter that every such backbone has.
        prefix: Prefix of the backbone's names; found by itself when None.

    Returns:
        The state dict without the prefix.

    Raises:
        ValueError: If the checkpoint holds no such backbone.
    """
    state = checkpoint.get('state_dict', checkpoint.get('model', checkpoint))
    prefixes = PREFIXES if prefix is None else (prefix,)
    for candidate in prefixes:
        if candidate + anchor in state:
            return {
                key[len(candidate) :]: value
                for key, value in state.items()
                if key.startswith(candidate) and isinstance(value, Tensor)
            }
    shown = ', '.join(list(state)[:5])
    raise ValueError(
        f'no point Transformer in the checkpoint: looked for {anchor!r} '
        f'under the prefixes {list(prefixes)}, found {len(state)} names '
        f'({shown}, ...); give its prefix in init_cfg, or convert a '
        'published file first'
    )


def load_pretrained(
    module: nn.Module,
    checkpoint: str,
    *,
    anchor: str,
    describe: Callable[[dict], str],
    optional: tuple[str, ...] = (),
    prefix: str | None = None,
    map_location: str = 'cpu',
) -> dict:
    """Fill every parameter and buffer of a backbone from a checkpoint.

    Args:
        module: The backbone.
        checkpoint: File name or address, as MMEngine takes it.
        anchor: See :func:`find_state`.
        describe: Says the sizes of a state dict, for the error.
        optional: Names that a checkpoint may hold without a use here.
        prefix: See :func:`find_state`.
        map_location: Where the tensors are loaded to.

    Returns:
        What the checkpoint says of the data it was trained on (may be
        empty).

    Raises:
        ValueError: If a parameter stays unfilled or has another shape.
    """
    loaded = compat.load_checkpoint(checkpoint, map_location)
    state = find_state(loaded, anchor, prefix)
    own = module.state_dict()
    missing = sorted(set(own) - set(state))
    shapes = [
        f'{key}: expected {tuple(own[key].shape)}, got '
        f'{tuple(state[key].shape)}'
        for key in sorted(set(own) & set(state))
        if own[key].shape != state[key].shape
    ]
    if missing or shapes:
        raise ValueError(
            f'{checkpoint} does not fill {type(module).__name__}: '
            f'{len(missing)} missing {missing[:5]}, {len(shapes)} of another '
            f'shape {shapes[:5]}; give the backbone the sizes that the '
            f'checkpoint was trained with: {describe(state)}'
        )
    unused = sorted(
        key for key in set(state) - set(own) if key not in optional
    )
    if unused:
        print_log(
            f'{checkpoint}: {len(unused)} tensors have no place in '
            f'{type(module).__name__} and are not used: {unused[:8]}',
            logger='current',
            level=logging.WARNING,
        )
    module.load_state_dict({key: state[key] for key in own})
    print_log(
        f'{type(module).__name__}: all {len(own)} tensors loaded from '
        f'{checkpoint}',
        logger='current',
    )
    return dict(loaded.get('meta', {}).get('dataset_meta') or {})


def compare_dataset_meta(pretrained: Mapping) -> None:
    """Warn where the training data differs from the pretraining data.

    Compares the up axis and the normalisation, which a checkpoint keeps, with
    those of the data set that MMEngine's training loop made known.

    Args:
        pretrained: The meta data of the data set of the pretraining.
    """
    present = _training_dataset_meta()
    for key in COMPARED_META:
        known = key in pretrained and key in present
        if known and pretrained[key] != present[key]:
            print_log(
                f'the backbone was pretrained on data with {key}='
                f'{pretrained[key]!r}, this data set has {present[key]!r}; '
                'rotate or normalise the clouds alike for full benefit',
                logger='current',
                level=logging.WARNING,
            )


def _training_dataset_meta() -> dict:
    """Return the meta data that the training loop gave its visualizer."""
    classes = [Visualizer]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    for cls in reversed(classes):
        for visualizer in reversed(cls._instance_dict.values()):
            if visualizer.dataset_meta:
                return dict(visualizer.dataset_meta)
    return {}
