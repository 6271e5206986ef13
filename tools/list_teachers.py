#!/usr/bin/env python
"""List the teachers: which can be used, which weights are on this machine.

    python tools/list_teachers.py                    the catalogue
    python tools/list_teachers.py --available        with weights here
    python tools/list_teachers.py --search 'vit_*'   any model of timm and
                                                     open_clip: runs, or why not

Weights are looked for below ACT_DATA_ROOT (default ``data/``) in
``teachers/``, in the cache of Hugging Face's hub and in installed packages.
Nothing is fetched and no network is needed.
"""  # noqa: E501

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))

LIMIT = 30
INDENT = ' ' * 8


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description='List the teachers: which can be used, which weights are '
        'on this machine.',
        epilog='Exit code 1: nothing was found.',
    )
    parser.add_argument(
        '--available',
        action='store_true',
        help='only those whose weights are on this machine',
    )
    parser.add_argument(
        '--search',
        metavar='PATTERN',
        help='check models of timm and open_clip whose names match (* and ? '
        'as in a shell; without them: that contain it), each on its own: '
        'runs as a teacher, or is refused with the reason',
    )
    parser.add_argument(
        '--all',
        action='store_true',
        help=f'with --search: all that match, not the first {LIMIT} of each '
        'library; alone: every model of both libraries, minutes',
    )
    return parser.parse_args(argv)


def size_of(path: Path) -> str:
    """Return the size of a file, or of its parts beside an index."""
    # Imported here for a quick --help, as in the functions below.
    from mmdet3d_act.models.teachers.language_files import weight_files

    count = sum(one.stat().st_size for one in weight_files(path))
    return megabytes(count)


def megabytes(count: int) -> str:
    """Return a number of bytes in words."""
    return f'{count / 1e6:.{0 if count >= 1e8 else 1}f} MB'


def show_catalogue(*, only_available: bool) -> int:
    """Print the catalogue; return how many teachers were printed."""
    from mmdet3d_act.models.teachers import catalog
    from mmdet3d_act.models.teachers.weights import teacher_folder

    print(f'Weights are looked for in {teacher_folder()}/ and in caches.')
    entries = [(one, catalog.weights_of(one)) for one in catalog.CATALOG]
    here = [path for _, path in entries if path is not None]
    shown = 0
    for entry, path in entries:
        if path is None and only_available:
            continue
        shown += 1
        absent = catalog.missing_package(entry.type)
        state = 'absent' if path is None else 'here'
        print(
            f'{state:<8}{entry.key:<15}{entry.type:<16}'
            f'{entry.embed_dims:>5} x {entry.num_layers:<4}'
            f'{entry.num_prompts:>4} prompts  {entry.config or "-"}'
        )
        print(f'{INDENT}{entry.model}')
        if path is None:
            about = megabytes(entry.file_bytes)
            print(f'{INDENT}from {entry.hub}, about {about}')
        else:
            print(f'{INDENT}{path}, {size_of(path)}')
        if absent is not None:
            print(f'{INDENT}cannot run: {absent}')
    others = list(other_weights({path.resolve() for path in here}))
    if others:
        print('Other weights here, usable by their name or as weights=:')
        for name, size in others:
            print(f'{INDENT}{name}, {size}')
    print(
        f'{len(here)} of {len(entries)} teachers have their weights here. '
        'docs/teachers.md says how to get the others, and how to bring your '
        'own.'
    )
    return shown + len(others)


def other_weights(known: set[Path]) -> Iterator[tuple[str, str]]:
    """Yield weights on this machine that the catalogue does not name.

    Args:
        known: Files of the catalogue's teachers.
    """
    from mmdet3d_act.models.teachers.catalog import in_hub_cache
    from mmdet3d_act.models.teachers.weights import SUFFIXES, teacher_folder

    for path in sorted(teacher_folder().rglob('*')):
        if path.suffix in SUFFIXES and path.resolve() not in known:
            yield str(path), size_of(path)
    if importlib.util.find_spec('huggingface_hub') is None:
        return
    from huggingface_hub import constants

    for folder in sorted(Path(constants.HF_HUB_CACHE).glob('models--*')):
        hub = folder.name.removeprefix('models--').replace('--', '/')
        path = in_hub_cache(hub)
        if path is not None and path.resolve() not in known:
            yield f'{hub} (cache of the hub)', size_of(path)


def matching(names: list[str], pattern: str) -> list[str]:
    """Return the names that a pattern means, in lower and upper case."""
    pattern = pattern.lower()
    if not set(pattern) & set('*?['):
        pattern = f'*{pattern}*'
    return [name for name in names if fnmatch.fnmatch(name.lower(), pattern)]


def search(
    pattern: str, *, everything: bool = False, only_available: bool = False
) -> int:
    """Check the models whose names match; return how many there were."""
    from mmdet3d_act.models import teachers
    from mmdet3d_act.models.teachers import catalog
    from mmdet3d_act.models.teachers.timm_models import list_weights

    count = 0
    for kind in ('TimmTeacher', 'OpenCLIPTeacher', 'LanguageTeacher'):
        absent = catalog.missing_package(kind)
        if absent is not None:
            print(f'{kind}: {absent}')
            continue
        cls = getattr(teachers, kind)
        names = matching(cls.list_models(), pattern)
        if not names and kind == 'TimmTeacher':
            # Names of weights, such as vit_base_patch16_224.mae.
            names = matching(list_weights(), pattern)
        if only_available:
            names = [name for name in names if cls.locate(name) is not None]
        chosen = names if everything else names[:LIMIT]
        count += len(names)
        if names:
            print(f'{kind}: {len(names)} models')
        check(cls, chosen)
        if len(names) > len(chosen):
            rest = len(names) - len(chosen)
            print(f'{INDENT}and {rest} more: --all checks them too')
    if count == 0:
        which = ' with weights on this machine' if only_available else ''
        print(f'no model of the libraries here{which} is called {pattern!r}')
    return count


def check(cls: type, names: list[str]) -> None:
    """Print whether models run as a teacher, one a line."""
    start = time.monotonic()
    for number, name in enumerate(names, 1):
        reason = cls.refusal(name)
        if reason is None:
            facts = cls.describe(name)
            fixed = facts.num_tokens
            need = '' if fixed is None else f', {fixed} tokens with prompts'
            where = cls.locate(name)
            weights = '' if where is None else f', weights here: {where}'
            print(
                f'runs    {name}: {facts.embed_dims} x {facts.num_layers}, '
                f'{facts.num_parameters / 1e6:.1f} M{need}{weights}'
            )
        else:
            print(f'refused {name}: {reason}')
        if number % 100 == 0:
            spent = time.monotonic() - start
            print(
                f'{number} of {len(names)} after {spent:.0f} s',
                file=sys.stderr,
            )


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit code."""
    args = parse_args(argv)
    if args.search or args.all:
        found = search(
            args.search or '*',
            everything=args.all,
            only_available=args.available,
        )
    else:
        found = show_catalogue(only_available=args.available)
    return 0 if found else 1


if __name__ == '__main__':
    sys.exit(main())
