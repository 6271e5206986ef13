"""Files and checkpoints of a config that are missing, before it is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.registry import OPTIMIZERS

from mmdet3d_act.checkpoint import (
    PretrainedModel,
    find_checkpoint,
    pretrained_part,
)
from mmdet3d_act.engine.failures import describe_failure
from mmdet3d_act.models.layers.prompts import MAX_PROMPTS
from mmdet3d_act.registry import registered_classes
from mmdet3d_act.students import fitting_students

# Names of whole numbers that are at least 1, or sequences of such; the loader
# of samples may do without workers, and a teacher without prompts.
COUNT = re.compile(
    r'num_(?!workers|prompts)\w+|(\w+_)?(dims|channels)|group_size'
)
# Names of numbers.
NUMBER = re.compile(r'(?!split)(\w+_)?(weight|cost|ratio|rate|scale|radius)')

# Whole numbers that PyTorch and MMEngine use as they come, with the least
# value of each.
LOADER = dict(batch_size=1, num_workers=0)
LEAST = {
    'train_dataloader': LOADER,
    'val_dataloader': LOADER,
    'test_dataloader': LOADER,
    'train_cfg': dict(max_epochs=1, max_iters=1, val_interval=1),
    'optim_wrapper': dict(accumulative_counts=1),
    'param_scheduler': dict(T_max=1, begin=0),
    'randomness': dict(seed=0),
}
# What MMEngine reads; it overlooks other names, or fails late.
LOADING = (
    *('batch_size', 'num_workers', 'persistent_workers', 'prefetch_factor'),
    *('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'drop_last'),
    *('pin_memory', 'timeout', 'worker_init_fn', 'num_batch_per_epoch'),
)
READ = {
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
    'default_hooks': ('logger', 'param_scheduler', 'checkpoint'),
    'train_cfg': (
        *('by_epoch', 'max_epochs', 'max_iters', 'val_begin'),
        *('val_interval', 'dynamic_intervals'),
    ),
    'train_dataloader': LOADING,
    'val_dataloader': LOADING,
    'test_dataloader': LOADING,
}


def iter_typed(node: object) -> Iterator[dict]:
    """Yield every dict with a ``type`` in a config, outer ones first.

    Args:
        node: A config, or a part of one: dicts, lists, tuples, other values.
    """
    if isinstance(node, dict):
        if 'type' in node:
            yield node
        for value in list(node.values()):
            yield from iter_typed(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from iter_typed(value)


def collect_problems(
    cfg: Mapping, keys: Iterable[str] | None = None
) -> list[str]:
    """List what is missing to run a config, each with its remedy.

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
    # A list of (key, value) pairs: Config has items(), but is no Mapping.
    nodes = [value for _, value in parts.items()]
    found = [*_wrong_numbers(cfg), *_wrong_names(cfg)]
    if _is_missing(parts.get('load_from')):
        found.append(
            f'load_from names the checkpoint {parts["load_from"]}, which does '
            'not exist; correct it, for example by --cfg-options '
            'load_from=PATH'
        )
    # Parts that a checkpoint of the whole fills, or that only describe.
    filled: set[int] = set()
    unneeded: set[int] = set()
    for typed in iter_typed(nodes):
        if id(typed) in unneeded:
            continue
        classes = registered_classes(typed['type'])
        for cls in classes:
            found += _requirements(cls, typed)
            if cls.__module__.startswith('mmdet3d_act.'):
                found += _wrong_counts(cls.__name__, typed)
            for name in getattr(cls, 'unneeded_parts', ()):
                unneeded.update(map(id, iter_typed(typed.get(name))))
        part = pretrained_part(typed.get('init_cfg'))
        if part is None or id(typed) in filled:
            continue
        if _is_missing(part.get('checkpoint')):
            found.append(_missing_weights(typed, part))
        if any(issubclass(cls, PretrainedModel) for cls in classes):
            filled.update(map(id, iter_typed(typed)))
    return _without_repeats(found)


def _without_repeats(found: Iterable[str]) -> list[str]:
    """Leave out what an earlier problem says, and other splits of its data."""
    problems: list[str] = []
    told: set[tuple[str, str]] = set()
    for problem in found:
        name, _, fault = problem.partition(' needs ')
        _, _, layout = fault.partition(' Expected layout: ')
        if layout and (name, layout) in told:
            continue
        told.add((name, layout))
        # Training and validation miss the same folder; the latter's text
        # goes on with how to do without it, which does not help then.
        if not problem.startswith(tuple(problems)):
            problems.append(problem)
    return problems


def _requirements(cls: Any, cfg: Mapping) -> list[str]:  # noqa: ANN401
    if not hasattr(cls, 'check_requirements'):
        return []
    try:
        return cls.check_requirements(cfg)
    except (TypeError, ValueError) as error:
        # What a constructor would refuse is a problem like the others.
        return [f'{cls.__name__}: {describe_failure(error) or error}']


def _wrong_numbers(cfg: Mapping) -> Iterator[str]:
    """Say which settings MMEngine would misread, or fail at without a name."""
    for part, least in LEAST.items():
        given = cfg.get(part) or []
        for one in [given] if isinstance(given, Mapping) else given:
            for name in least.keys() & one.keys():
                value, low = one[name], least[name]
                whole = type(value) is int
                if value is None or (whole and low <= value < 2**32):
                    continue
                yield (
                    f'{part}.{name} must be whole, >= {low} and < 2**32, got '
                    f'{value!r}'
                )
    wrapper = cfg.get('optim_wrapper') or {}
    for part, name in (('optimizer', 'lr'), ('clip_grad', 'max_norm')):
        value = (wrapper.get(part) or {}).get(name)
        if isinstance(value, str):
            yield f'{part}.{name} must be a number, got {value!r}'


def _wrong_names(cfg: Mapping) -> Iterator[str]:
    """Say which names MMEngine would overlook, or not know."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    kind = optimizer.get('type')
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        yield f'there is no optimizer of type {kind!r}'
    for part, names in READ.items():
        given = cfg.get(part)
        # A loop of another type has names of its own.
        if not isinstance(given, Mapping) or 'type' in given:
            continue
        for name in given.keys() - set(names):
            near = get_close_matches(name, names, n=1, cutoff=0.8)
            if near:
                yield f'{part} has {name!r}; did you mean {near[0]!r}?'


def _wrong_counts(kind: str, cfg: Mapping) -> Iterator[str]:
    """Say which of a part's numbers, counts and widths are none."""
    for name, value in cfg.items():
        if isinstance(value, str) and NUMBER.fullmatch(name):
            yield f'{kind}: {name} must be a number, got {value!r}'
        if name == 'num_prompts' and value not in range(MAX_PROMPTS + 1):
            most = f'whole, from 0 to {MAX_PROMPTS}'
            yield f'{kind}: num_prompts must be {most}, got {value!r}'
        if value is None or not COUNT.fullmatch(name):
            continue
        given = value if isinstance(value, list | tuple) else [value]
        if not given or not all(type(n) is int and n > 0 for n in given):
            yield f'{kind}: {name} must be >= 1 and whole, got {value!r}'


def _is_missing(checkpoint: object) -> bool:
    """Whether a checkpoint on disk is absent."""
    if not isinstance(checkpoint, str) or '://' in checkpoint:
        return False
    return find_checkpoint(checkpoint) is None


def _missing_weights(cfg: Mapping, part: Mapping) -> str:
    """Say that the checkpoint of an ``init_cfg`` is missing."""
    kind = getattr(cfg['type'], '__name__', cfg['type'])
    text = (
        f'the pretrained weights of {kind} are missing: no checkpoint at '
        f'{part.get("checkpoint")!r}. '
    )
    config = part.get('pretrain_config')
    if config is None:
        return f'{text}Correct checkpoint= of its init_cfg'
    fitting = fitting_students(cfg)
    if fitting:
        text += f'ACT_PRETRAINED={fitting[0]} takes the one in the package. '
    return (
        f'{text}Pretrain first with `python tools/train.py {config}`, or name '
        'another (a .pth file or a work directory) by the environment '
        'variable that the config reads (ACT_PRETRAINED, '
        'POINT_MAE_PRETRAINED, CONCEPT_PRETRAINED) or --cfg-options '
        'model.backbone.init_cfg.checkpoint=PATH; '
        'model.backbone.init_cfg=None trains from scratch'
    )
