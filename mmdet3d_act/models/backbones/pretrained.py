"""Loading pretrained networks, with nothing lost on the way.

MMEngine loads ``init_cfg=dict(type='Pretrained')`` non-strictly and drops the
checkpoint's meta data; a student that stayed random would train quietly on
noise. Here every parameter must be filled.
"""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError

from mmengine.logging import print_log
from mmengine.model import BaseModule, PretrainedInit
from mmengine.visualization import Visualizer
from torch import Tensor, nn

from mmdet3d_act import compat
from mmdet3d_act.files import CheckpointError
from mmdet3d_act.models.backbones.settings import (
    checkpoint_settings,
    compare_settings,
    describe_settings,
)

PRETRAINED_TYPES = ('Pretrained', PretrainedInit)
PREFIXES = (
    '',
    'student.',
    'backbone.',
    'module.student.',
    'module.backbone.',
    'module.',
)
CONVERTER = 'python tools/model_converters/convert_checkpoint.py SRC DST'
COMPARED_META = ('up_axis', 'normalization')


def find_checkpoint(path: str) -> str | None:
    """Return the checkpoint file that ``path`` means, or None.

    Args:
        path: A file, or the work directory of a training, whose last
            checkpoint is meant.
    """
    if osp.isfile(path):
        return path
    pointer = Path(path) / 'last_checkpoint'
    if not pointer.is_file():
        return None
    named = pointer.read_text().strip()
    # A work directory may have been moved since: look beside the pointer too.
    for candidate in (named, str(Path(path) / Path(named).name)):
        if osp.isfile(candidate):
            return candidate
    return None


def read_checkpoint(
    checkpoint: str,
    map_location: str = 'cpu',
    *,
    pretrain_config: str | None = None,
) -> Mapping:
    """Return what a checkpoint holds.

    Args:
        checkpoint: A file, a work directory, whose last checkpoint is meant,
            or an address, as MMEngine takes it.
        map_location: Where the tensors are loaded to.
        pretrain_config: Config that trains it; named where it is missing.

    Raises:
        FileNotFoundError: If there is none.
        CheckpointError: If it holds more than what this package writes.
    """
    found = find_checkpoint(str(Path(checkpoint).expanduser()))
    if found is None and '://' not in checkpoint:
        remedy = (
            'correct the path, or run the pretraining that writes it first'
            if pretrain_config is None
            else f'train it by `python tools/train.py {pretrain_config}`'
        )
        raise FileNotFoundError(
            f'there is no checkpoint at {checkpoint}, neither a file nor a '
            f'work directory with a last checkpoint; {remedy}'
        )
    try:
        return compat.load_checkpoint(found or checkpoint, map_location)
    except UnpicklingError as error:
        raise CheckpointError(
            f'{checkpoint} is no checkpoint of this package: {error}\nConvert '
            f'a published file first: `{CONVERTER}`'
        ) from error


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
        CheckpointError: If the checkpoint holds no such backbone.
    """
    state = _weights(checkpoint)
    prefixes = PREFIXES if prefix is None else (prefix,)
    for candidate in prefixes:
        if candidate + anchor in state:
            return {
                key[len(candidate) :]: value
                for key, value in state.items()
                if key.startswith(candidate) and isinstance(value, Tensor)
            }
    shown = ', '.join(list(state)[:5])
    raise CheckpointError(
        f'no point Transformer in the checkpoint: looked for {anchor!r} '
        f'under the prefixes {list(prefixes)}, found {len(state)} names '
        f'({shown}, ...); give its prefix in init_cfg, or convert a '
        f'published file first: `{CONVERTER}`'
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
    pretrain_config: str | None = None,
) -> dict:
    """Fill every parameter and buffer of a backbone from a checkpoint.

    Args:
        module: The backbone.
        checkpoint: See :func:`read_checkpoint`.
        anchor: See :func:`find_state`.
        describe: Says the sizes of a state dict, for the error.
        optional: Names of a part that the checkpoint or the backbone may be
            without. Where the checkpoint is, they stay as initialised.
        prefix: See :func:`find_state`.
        map_location: Where the tensors are loaded to.
        pretrain_config: See :func:`read_checkpoint`.

    Returns:
        What the checkpoint says of the data it was trained on (may be
        empty).

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If a parameter stays unfilled or has another shape, or
            the checkpoint was trained with settings that give other features.
    """
    loaded = read_checkpoint(
        checkpoint, map_location, pretrain_config=pretrain_config
    )
    try:
        state = find_state(loaded, anchor, prefix)
    except CheckpointError as error:
        raise CheckpointError(f'{checkpoint}: {error}') from None
    settings = checkpoint_settings(loaded)
    own = module.state_dict()
    if not set(optional) & set(state):
        _leave_initialized(optional, own, checkpoint)
    missing = sorted(set(own) - set(state))
    shapes = [
        f'{key}: expected {tuple(own[key].shape)}, got '
        f'{tuple(state[key].shape)}'
        for key in sorted(set(own) & set(state))
        if own[key].shape != state[key].shape
    ]
    if missing or shapes:
        raise CheckpointError(
            f'{checkpoint} does not fill {type(module).__name__}: '
            f'{len(missing)} missing {missing[:5]}, {len(shapes)} of another '
            f'shape {shapes[:5]}; give the backbone the sizes that the '
            f'checkpoint was trained with: {describe(state)}'
            f'{describe_settings(settings, module)}'
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
    compare_settings(settings, module, checkpoint)
    module.load_state_dict({key: state[key] for key in own}, strict=False)
    print_log(
        f'{type(module).__name__}: all {len(own)} tensors loaded from '
        f'{checkpoint}',
        logger='current',
    )
    return dict(loaded.get('meta', {}).get('dataset_meta') or {})


class PretrainedModel:
    """Mixin of whole models: ``init_cfg=dict(type='Pretrained')`` is exact.

    Every parameter and buffer is filled from the checkpoint, or it is an
    error. Parts that the checkpoint holds in full need no weights file of
    their own. It stands before MMEngine's classes among the bases.
    """

    def init_weights(self) -> None:
        """Initialise, and load the weights where ``init_cfg`` names them.

        Raises:
            FileNotFoundError: If there is no checkpoint.
            CheckpointError: If it does not fill the model exactly.
        """
        given = self.init_cfg
        cfgs = given if isinstance(given, list) else [given]
        pretrained = [c for c in cfgs if c and c['type'] in PRETRAINED_TYPES]
        if not pretrained or self.is_init:
            super().init_weights()
            return
        others = [c for c in cfgs if c and c['type'] not in PRETRAINED_TYPES]
        # First, so that the parts know that they need nothing; and again over
        # what their own initialisation did.
        names = fill_model(self, **_loading(pretrained[-1]))
        _mark_filled(self, names)
        self.init_cfg = others or None
        try:
            super().init_weights()
        finally:
            self.init_cfg = given
        fill_model(self, **_loading(pretrained[-1]))


def fill_model(
    model: nn.Module,
    checkpoint: str,
    *,
    prefix: str | None = None,
    map_location: str = 'cpu',
) -> set[str]:
    """Fill every parameter and buffer of a model from a checkpoint.

    Args:
        model: The model.
        checkpoint: See :func:`read_checkpoint`.
        prefix: What stands before the model's names; nothing when None.
        map_location: Where the tensors are loaded to.

    Returns:
        The names that the checkpoint holds. Frozen parts may be filled from
        elsewhere, and not be among them.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        CheckpointError: If it does not fill the model exactly.
    """
    state = _weights(read_checkpoint(checkpoint, map_location))
    if prefix:
        state = {
            key[len(prefix) :]: value
            for key, value in state.items()
            if key.startswith(prefix)
        }
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f'{checkpoint} does not fill {type(model).__name__}; give the '
            'config that it was trained with, or convert a published file '
            f'first: `{CONVERTER}`.\n{error}'
        ) from error
    print_log(
        f'{type(model).__name__}: all tensors loaded from {checkpoint}',
        logger='current',
    )
    return set(state)


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


def _weights(checkpoint: Mapping) -> Mapping:
    """Return the state dict of a loaded file."""
    return checkpoint.get('state_dict', checkpoint.get('model', checkpoint))


def _mark_filled(model: nn.Module, names: set[str]) -> None:
    """Mark the parts of a model that a file filled as initialised."""
    for prefix, part in model.named_modules():
        own = {f'{prefix}.{name}' for name, _ in part.named_parameters()}
        if prefix and own and own <= names and isinstance(part, BaseModule):
            part.is_init = True


def _loading(cfg: Mapping) -> dict:
    """Return the arguments of :func:`fill_model` in an ``init_cfg``."""
    return dict(
        checkpoint=cfg['checkpoint'],
        prefix=cfg.get('prefix'),
        map_location=cfg.get('map_location') or 'cpu',
    )


def _leave_initialized(
    names: tuple[str, ...], own: dict[str, Tensor], checkpoint: str
) -> None:
    """Take parts that a checkpoint was trained without out of ``own``."""
    left = [name for name in names if own.pop(name, None) is not None]
    if left:
        print_log(
            f'{checkpoint} was trained without {", ".join(left)}; they stay '
            'as initialised, as in the released transfer of such networks, '
            'and have to be trained',
            logger='current',
            level=logging.WARNING,
        )
