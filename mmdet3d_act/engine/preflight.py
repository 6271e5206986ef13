"""What would stop a run, found before anything is built."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.runner import Runner

from mmdet3d_act.checkpoint import (
    PretrainedModel,
    find_checkpoint,
    pretrained_part,
)
from mmdet3d_act.datasets.transforms import PrepareImage
from mmdet3d_act.engine.failures import argument_hint
from mmdet3d_act.models.teachers import ImageEncoder
from mmdet3d_act.registry import registered_classes
from mmdet3d_act.wording import counted

DEFAULT_IMAGE_SIZE = inspect.signature(PrepareImage).parameters['size'].default
# Beside MMEngine's settings: what tools/test.py --tta reads.
VOTING_PARTS = ('tta_model', 'tta_dataloader', 'tta_cfg')

# How MMEngine's configs read an environment variable, with a default.
VARIABLE = re.compile(r'\{\{[\'"]?\s*\$(\w+)\s*:\s*(\S*?)\s*[\'"]?\}\}')


def iter_typed(node: object) -> Iterator[Mapping]:
    """Yield every dict with a ``type`` in a config, outer ones first.

    Args:
        node: A config, or a part of one: dicts, lists, tuples, other values.
    """
    if isinstance(node, Mapping):
        if 'type' in node:
            yield node
        for value in list(node.values()):
            yield from iter_typed(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from iter_typed(value)


def _class_problems(cfg: Mapping) -> Iterator[str]:
    """Yield what the class of a config finds missing."""
    for cls in registered_classes(cfg['type']):
        check = getattr(cls, 'check_requirements', None)
        if check is None:
            continue
        try:
            yield from check(cfg)
        except (TypeError, ValueError) as error:
            # What a constructor would refuse is a problem like the others.
            text = f'{cls.__name__}: {error}'
            if 'unexpected keyword argument' in text:
                text = f'{text}; {argument_hint(cls, text)}'
            yield text


def _unneeded(cfg: Mapping) -> Iterator[int]:
    """Yield the parts of a config that only describe, and are not built.

    A class names them in ``unneeded_parts``.
    """
    for cls in registered_classes(cfg['type']):
        for name in getattr(cls, 'unneeded_parts', ()):
            yield from map(id, iter_typed(cfg.get(name)))


def _missing_file(path: object, key: str) -> str | None:
    """Say that a checkpoint on disk is absent; None where it is fine."""
    if not isinstance(path, str) or '://' in path:
        return None
    if Path(_expanded(path)).is_file():
        return None
    return (
        f'{key} names the checkpoint {path}, which does not exist; correct '
        f'the path, for example by --cfg-options {key}=PATH'
    )


def _pretrained_problems(cfg: Mapping, text: str) -> Iterator[str]:
    """Yield missing checkpoints of a config's ``init_cfg``.

    Args:
        cfg: Config of a module.
        text: Of the config's file, which names environment variables.
    """
    part = pretrained_part(cfg.get('init_cfg'))
    if part is None:
        return
    checkpoint = part.get('checkpoint')
    problem = _missing_file(checkpoint, 'checkpoint')
    if problem is None or find_checkpoint(checkpoint):
        return
    config = part.get('pretrain_config')
    if config is None:
        yield f'{cfg["type"]}: init_cfg, {problem}'
    else:
        yield (
            f'the pretrained weights of {cfg["type"]} are missing: no '
            f'checkpoint at {checkpoint!r}. Pretrain first with `python '
            f'tools/train.py {config}`, or name another (a .pth file or a '
            f'work directory) by {_variable(checkpoint, text)} or '
            '--cfg-options model.backbone.init_cfg.checkpoint=PATH; '
            'model.backbone.init_cfg=None trains from scratch'
        )


def _variable(value: str, text: str) -> str:
    """Return which environment variable names a checkpoint."""
    names = {
        name
        for name, default in VARIABLE.findall(text)
        if os.environ.get(name, default) == value
    }
    if len(names) == 1:
        return f'the environment variable {names.pop()}'
    return (
        'the environment variable of the config (ACT_PRETRAINED, '
        'POINT_MAE_PRETRAINED, CONCEPT_PRETRAINED)'
    )


def _fills_its_parts(cfg: Mapping) -> bool:
    """Say whether a model's checkpoint makes those of its parts needless."""
    return pretrained_part(cfg.get('init_cfg')) is not None and any(
        issubclass(cls, PretrainedModel)
        for cls in registered_classes(cfg['type'])
    )


def _image_size_problems(
    models: Iterable[Mapping], loaders: Mapping[str, object]
) -> Iterator[str]:
    """Yield image encoders that get images of another size than they take.

    Args:
        models: Parts of the model that will be built.
        loaders: Data loaders by their names.
    """
    sizes = {
        name: _arguments_of(typed).get('size', DEFAULT_IMAGE_SIZE)
        for name, loader in loaders.items()
        for typed in iter_typed(loader)
        if PrepareImage in registered_classes(typed['type'])
    }
    for typed in models if sizes else ():
        for cls in registered_classes(typed['type']):
            if not issubclass(cls, ImageEncoder):
                continue
            try:
                with torch.device('meta'):
                    encoder = cls(**_arguments_of(typed))
            except (ImportError, KeyError, TypeError, ValueError):
                # Said by its own check, or when it is built.
                continue
            yield from (
                f'{cls.__name__} of {encoder.model_name} takes images of '
                f'{encoder.image_size} pixels a side, {name} prepares them '
                f'with {size}; give PrepareImage the size of the encoder'
                for name, size in sizes.items()
                if size != encoder.image_size
            )


def _arguments_of(cfg: Mapping) -> dict:
    """Return what a config gives to its class.

    Args:
        cfg: With ``type``.
    """
    return {key: cfg[key] for key in cfg if key != 'type'}


def _expanded(path: str) -> str:
    return str(Path(path).expanduser())


def collect_problems(
    cfg: Mapping, keys: Iterable[str] | None = None
) -> list[str]:
    """Return what would stop a run with a config, each with its remedy.

    Every dict with a ``type`` is handed to the class method
    ``check_requirements(cfg) -> list[str]`` of its class, where it has one.
    The classes have to be registered: the config's ``custom_imports`` have
    been carried out, which ``Config.fromfile`` does.

    Args:
        cfg: A whole config.
        keys: Names of the parts that are looked at; None for all.

    Returns:
        Problems in the order of the config, empty where none was found;
        without those that say again, or at greater length, what an earlier
        one says.
    """
    parts = cfg if keys is None else {k: cfg.get(k) for k in keys}
    text = getattr(cfg, 'text', None) or ''
    # A list of (key, value) pairs: Config has items(), but is no Mapping.
    nodes = [value for _, value in parts.items()]
    found = [_missing_file(parts.get('load_from'), 'load_from')]
    filled: set[int] = set()
    unneeded: set[int] = set()
    for typed in iter_typed(nodes):
        if id(typed) in unneeded:
            continue
        unneeded.update(_unneeded(typed))
        found.extend(_class_problems(typed))
        if id(typed) in filled:
            continue
        found.extend(_pretrained_problems(typed, text))
        if _fills_its_parts(typed):
            filled.update(map(id, iter_typed(typed)))
    built = [
        t for t in iter_typed(parts.get('model')) if id(t) not in unneeded
    ]
    loaders = {k: v for k, v in parts.items() if k.endswith('_dataloader')}
    found.extend(_image_size_problems(built, loaders))
    problems: list[str] = []
    for problem in found:
        # Training and validation miss the same folder; the latter's text
        # goes on with how to do without it, which does not help then.
        if problem and not problem.startswith(tuple(problems)):
            problems.append(problem)
    return problems


def batch_problems(loader: Mapping) -> list[str]:
    """Return whether an epoch would have no batch at all, in one process.

    Asked is the class method ``count_samples(cfg) -> int`` of the data set's
    class, where it has one.

    Args:
        loader: Config of the data loader of a training.
    """
    batch_size, dataset = loader.get('batch_size'), loader.get('dataset')
    if not (batch_size and loader.get('drop_last') and dataset):
        return []
    sampler = (loader.get('sampler') or {}).get('type')
    endless = [
        issubclass(cls, InfiniteSampler) for cls in registered_classes(sampler)
    ]
    if any(endless):
        return []
    counts = [
        cls.count_samples(dataset)
        for cls in registered_classes(dataset['type'])
        if hasattr(cls, 'count_samples')
    ]
    return [
        no_batch(count, batch_size) for count in counts if count < batch_size
    ]


def no_batch(count: int, batch_size: int, share: str = '') -> str:
    """Say that samples make no batch where incomplete ones are dropped.

    Args:
        count: The samples.
        batch_size: How many are a batch.
        share: Whose samples they are, with a blank before it.
    """
    few = counted(count, 'sample') + share + (' is' if count == 1 else ' are')
    return (
        f'nothing to train with: {few} fewer than batch_size {batch_size} '
        f'with drop_last=True: set train_dataloader.batch_size<={count} or '
        'train_dataloader.drop_last=False'
    )


def misspelt_option(options: Iterable[str], cfg: Mapping) -> str | None:
    """Return what is wrong with the first option that nothing would read.

    Names that resemble no setting are taken for variables of one's own.

    Args:
        options: Dotted names of settings.
        cfg: The config that they are for.
    """
    known = {*cfg, *inspect.signature(Runner).parameters, *VOTING_PARTS}
    for option in options:
        name = option.partition('.')[0]
        near = get_close_matches(name, known, n=1, cutoff=0.8)
        if name not in known and near:
            return (
                f'there is no setting {name!r}, as in {option!r}; did you '
                f'mean {near[0]!r}?'
            )
    return None


def format_problems(problems: list[str], config: str) -> str:
    """Return one message for all problems.

    Args:
        problems: What was found, not empty.
        config: Name of the config.
    """
    count = counted(len(problems), 'problem')
    lines = [f'{config} cannot run yet: {count}.']
    for number, problem in enumerate(problems, start=1):
        text = problem.strip().replace('\n', '\n     ')
        lines.append(f'{number:3d}. {text}')
    lines.append('Nothing has been built or written.')
    return '\n'.join(lines)
