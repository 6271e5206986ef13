"""The list of teachers, printed: which can be used, which weights are here.

Weights are looked for below ACT_DATA_ROOT (default ``data/``) in
``teachers/``, in the cache of Hugging Face's hub and in installed packages.
Nothing is fetched and no network is needed.
"""

from __future__ import annotations

import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

LIMIT = 30
INDENT = ' ' * 8


def show_catalogue(*, only_available: bool) -> int:
    """Print the catalogue; return how many teachers were printed."""
    # Imported here for a quick --help, as in the functions below.
    from mmdet3d_act.models.teachers.catalog import CATALOG, missing_package
    from mmdet3d_act.models.teachers.pretrained import SUFFIXES, teacher_folder

    folder = teacher_folder()
    print(f'Weights are looked for in {folder}/ and in caches.')
    found = {entry: entry.source.find() for entry in CATALOG}
    here = {path for path in found.values() if path is not None}
    shown = 0
    for entry, path in found.items():
        if path is None and only_available:
            continue
        shown += 1
        print(
            f'{"absent" if path is None else "here":<8}{entry.key:<15}'
            f'{entry.type:<16}{entry.embed_dims:>5} x {entry.num_layers:<4}'
            f'{entry.num_prompts:>4} prompts'
        )
        print(f'{INDENT}{entry.model}')
        if path is None:
            print(
                f'{INDENT}from {entry.source.hub_id}, about '
                f'{entry.megabytes} MB'
            )
        else:
            print(f'{INDENT}{path}, {size_of(path)}')
        absent = missing_package(entry.type)
        if absent is not None:
            print(f'{INDENT}cannot run: {absent}')
    others = [
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix in SUFFIXES and path not in here
    ]
    if others:
        print('Other weights here, usable by their name or as weights=:')
    for path in others:
        print(f'{INDENT}{path}, {size_of(path)}')
    print(
        f'{len(here)} of {len(found)} teachers have their weights here. '
        'docs/teachers.md says how to get the others, and how to bring your '
        'own.'
    )
    return shown + len(others)


def size_of(path: Path) -> str:
    """Describe the size of a file."""
    return f'{path.stat().st_size / 1e6:.1f} MB'


def matching(names: list[str], pattern: str) -> list[str]:
    """Select the names that a pattern means, in lower and upper case."""
    pattern = pattern.lower()
    if not set(pattern) & set('*?['):
        pattern = f'*{pattern}*'
    return [name for name in names if fnmatch.fnmatch(name.lower(), pattern)]


def search(
    pattern: str, *, everything: bool = False, only_available: bool = False
) -> int:
    """Check the models whose names match; return how many there were."""
    from mmdet3d_act.models import teachers
    from mmdet3d_act.models.teachers.catalog import LIBRARIES, missing_package

    count = 0
    for kind in LIBRARIES:
        absent = missing_package(kind)
        if absent is not None:
            print(f'{kind}: {absent}')
            continue
        cls = getattr(teachers, kind)
        names = matching(cls.list_models(), pattern)
        if not names and kind == 'TimmTeacher':
            # Names of weights, such as vit_base_patch16_224.mae.
            names = matching(import_module('timm').list_pretrained(), pattern)
        if only_available:
            names = [name for name in names if cls.weight_source(name).find()]
        chosen = names if everything else names[:LIMIT]
        count += len(names)
        if names:
            print(f'{kind}: {len(names)} models')
        for name in chosen:
            print(check(cls, name), flush=True)
        if len(names) > len(chosen):
            rest = len(names) - len(chosen)
            print(f'{INDENT}and {rest} more: --all checks them too')
    if count == 0:
        which = ' with weights on this machine' if only_available else ''
        print(f'no model of the libraries here{which} is called {pattern!r}')
    return count


def check(cls: Any, name: str) -> str:  # noqa: ANN401
    """Describe in one line whether a model runs as a teacher."""
    try:
        spec = cls.describe(name)
    except ValueError as error:
        return f'refused {name}: {error}'
    fixed = spec.num_tokens
    need = '' if fixed is None else f', {fixed} tokens with prompts'
    where = cls.weight_source(name).find()
    weights = '' if where is None else f', weights here: {where}'
    return (
        f'runs    {name}: {spec.embed_dims} x {spec.num_layers}, '
        f'{spec.num_parameters / 1e6:.1f} M{need}{weights}'
    )
