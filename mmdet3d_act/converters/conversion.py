"""From a published checkpoint file to one that this package reads."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from mmdet3d_act.checkpoint import under_prefix
from mmdet3d_act.converters.formats import (
    FORMATS,
    Format,
    Part,
    choose_task,
    recognize,
)
from mmdet3d_act.converters.keys import (
    AUTOENCODER,
    Rules,
    convert,
    convert_teacher,
    teacher_names,
    translate,
)
from mmdet3d_act.converters.model_configs import (
    build_on_meta,
    model_config,
)
from mmdet3d_act.converters.reading import PublishedFile, read_published
from mmdet3d_act.models.backbones.pretrained import SETTINGS
from mmdet3d_act.models.layers.frozen import FROZEN_SOURCE
from mmdet3d_act.version import __version__

HEAD = 'cls_head_finetune.'
ANCHOR = 'patch_embed.conv1.weight'
POSITION_CODE = 'position_code'
# ScanObjectNN's classes: the only published classifiers with twice as many
# patches, and with clouds as they are stored.
SCANOBJECTNN_CLASSES = 15
SCANOBJECTNN = (128, {'up_axis': 'y', 'normalization': 'none'})


class Conversion(NamedTuple):
    """What became of the parameters of a published file.

    Attributes:
        format: Name of the format.
        task: What was taken out of it.
        state: Our name to tensor.
        used: Published names that went into it.
        ignored: Other published names, and why they are not needed.
        missing: Our names that the file does not fill.
        unexpected: Published names that nothing explains.
        config: Of the network that the weights fill.
        meta: Where they are from, and what they were trained with.
    """

    format: str
    task: str
    state: dict[str, Tensor]
    used: list[str]
    ignored: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    config: dict[str, Any]
    meta: dict[str, Any]

    def report(self) -> str:
        """Report what became of the parameters, as text."""
        lines = [
            f'{self.meta["converted"]["source"]}: '
            f'{FORMATS[self.format].title}; {self.task} taken',
            f'  used        {len(self.used)} tensors',
        ]
        for reason, count in Counter(self.ignored.values()).items():
            lines.append(f'  ignored     {count}: {reason}')
        for kind in ('missing', 'unexpected'):
            found = getattr(self, kind)
            lines.append(f'  {kind:<12}{len(found)}')
            lines += [f'    {name}' for name in found]
        return '\n'.join(lines)

    def check(self, *, allow_unexpected: bool = False) -> None:
        """Refuse what is incomplete or not explained.

        Args:
            allow_unexpected: Whether unexplained parameters are left out.

        Raises:
            ValueError: If it is.
        """
        if self.missing:
            raise ValueError(
                f'{len(self.missing)} parameters of the {self.task} are '
                f'missing or have another shape: {self.missing[:5]}; get the '
                'file anew, or give the sizes that it was trained with by '
                '--cfg-options'
            )
        if self.unexpected and not allow_unexpected:
            raise ValueError(
                f'{len(self.unexpected)} parameters are not explained: '
                f'{self.unexpected[:5]}; look at them, and go on without them '
                'by --allow-unexpected'
            )


def plan_conversion(
    path: str | Path,
    task: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    dataset_meta: Mapping[str, str] | None = None,
    checkpoint: str | Path | None = None,
) -> Conversion:
    """Convert a published file without writing the result.

    Args:
        path: The published file.
        task: What is taken out of it; None for all that it holds.
        options: Settings of the network that shapes do not tell, such as
            ``num_heads``, where they are not the published ones; dots between
            levels.
        dataset_meta: ``up_axis`` and ``normalization`` of the training data
            where they are not the published ones.
        checkpoint: Where it will be written, for the config.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, is of an unknown format, holds no
            such model, or is too incomplete to tell its sizes.
    """
    file = read_published(path)
    name = recognize(file.state)
    known = FORMATS[name]
    task = choose_task(name, task)
    state, used = _rename(file.state, known.parts[task])
    num_groups, data = known.num_groups, known.dataset_meta
    if name == 'classifier' and _num_classes(file) == SCANOBJECTNN_CLASSES:
        num_groups, data = SCANOBJECTNN
    config = model_config(
        state,
        task,
        num_groups=num_groups,
        residual=known.residual,
        checkpoint=checkpoint or path,
    )
    changed = Config(config)
    changed.merge_from_dict(dict(options or {}))
    config = changed.to_dict()
    _add_position_codes(state)
    missing, extra = _compare(state, config)
    ignored, unexpected = _explain(file, known, task, set(used))
    for own in extra:
        del state[own]
    sources = {own: source for source, own in used.items()}
    return Conversion(
        format=name,
        task=task,
        state=state,
        used=[key for key, own in used.items() if own not in extra],
        ignored=ignored,
        missing=missing,
        unexpected=unexpected + [sources.get(own, own) for own in extra],
        config=config,
        meta=_meta(file, name, task, config, {**data, **(dataset_meta or {})}),
    )


def write_checkpoint(
    path: str | Path, state: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write a checkpoint as MMEngine's are, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    try:
        # A view would take its whole storage along.
        own = {key: value.detach().clone() for key, value in state.items()}
        torch.save({'meta': dict(meta), 'state_dict': own}, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def config_text(config: Mapping[str, Any]) -> str:
    """Format a network's config as the text of a config file."""
    return Config({'model': dict(config)}).pretty_text


def _backbone_settings(config: object) -> dict[str, Any]:
    """Find the settings of the point Transformer in a network's config."""
    if not isinstance(config, Mapping):
        return {}
    if config.get('type') == 'PointTransformer':
        return {key: config[key] for key in SETTINGS if key in config}
    found = (_backbone_settings(value) for value in config.values())
    return next((one for one in found if one), {})


def _known_names(names: Iterable[str], rules: Rules) -> dict[str, str]:
    """Look up our names of the published ones that have one."""
    found = {name: translate(name, rules)[1] for name in names}
    return {name: new for name, new in found.items() if new is not None}


def _rename(
    state: Mapping[str, Tensor], part: Part
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Give the tensors of a part, and published name to ours.

    Several prompts of a teacher become one tensor of ours.
    """
    renamed, unknown = convert(state, part.rules)
    used = _known_names(state, part.rules)
    if part.autoencoder is None:
        return renamed, used
    source, target = part.autoencoder
    inner = under_prefix({name: state[name] for name in unknown}, source)
    teacher, rest = convert_teacher(inner, prefix=f'{target}teacher.')
    plain, _ = convert(rest, AUTOENCODER)
    renamed |= teacher | {target + name: v for name, v in plain.items()}
    for name, place in teacher_names(
        inner, prefix=f'{target}teacher.'
    ).items():
        used[source + name] = place if isinstance(place, str) else place[0]
    for name, new in _known_names(rest, AUTOENCODER).items():
        used[source + name] = target + new
    return renamed, used


def _explain(
    file: PublishedFile, known: Format, task: str, used: set[str]
) -> tuple[dict[str, str], list[str]]:
    """Tell why names were not used, and those without a reason."""
    others = {
        other: set(_rename(file.state, part)[1])
        for other, part in known.parts.items()
        if other != task
    }
    ignored, unexpected = {}, []
    for name in file.state:
        if name in used:
            continue
        reasons = [
            reason
            for pattern, reason in known.ignored
            if re.fullmatch(pattern, name)
        ]
        reasons += [
            f'part of the {other}: --task {other} takes it'
            for other, names in others.items()
            if name in names
        ]
        if reasons:
            ignored[name] = reasons[0]
        else:
            unexpected.append(name)
    unexpected += [f'{name} ({kind})' for name, kind in file.odd.items()]
    return ignored, unexpected


def _compare(
    state: Mapping[str, Tensor], config: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Compare weights with the network of a config: missing, unexpected.

    A tensor of another shape counts as lacking.
    """
    own = {
        key: tuple(value.shape)
        for key, value in build_on_meta(config).state_dict().items()
        if not key.endswith(FROZEN_SOURCE)
    }
    lacking = [name for name in own if name not in state]
    lacking += [
        f'{name}: expected {shape}, got {tuple(state[name].shape)}'
        for name, shape in own.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    return lacking, [name for name in state if name not in own]


def _add_position_codes(state: dict[str, Tensor]) -> None:
    """Say that positions are added before the blocks, as in all of them."""
    for name in list(state):
        prefix = name.removesuffix(ANCHOR)
        if name != prefix and f'{prefix}norm.weight' in state:
            state[prefix + POSITION_CODE] = torch.tensor(0, dtype=torch.uint8)


def _num_classes(file: PublishedFile) -> int:
    last = max(
        (name for name in file.state if name.startswith(HEAD)),
        key=lambda name: int(name.split('.')[1]),
    )
    return len(file.state[last])


def _meta(
    file: PublishedFile,
    name: str,
    task: str,
    config: dict[str, Any],
    dataset_meta: Mapping[str, str],
) -> dict[str, Any]:
    """Describe the provenance that the converted file keeps."""
    settings = _backbone_settings(config)
    patches = settings or {
        key: config[key] for key in SETTINGS if key in config
    }
    meta: dict[str, Any] = {
        'mmdet3d_act_version': __version__,
        'converted': {
            'source': file.source,
            'sha256': file.sha256,
            'format': name,
            'task': task,
            **patches,
            **dataset_meta,
        },
        'dataset_meta': dict(dataset_meta),
        'cfg': config_text(config),
    }
    if settings:
        meta['backbone'] = settings
    return meta
