"""What is installed in an environment, what is pinned, and what is broken.

Reads files only and runs nothing of the environment. Standard library only.
"""

from __future__ import annotations

import csv
import importlib.metadata
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from setup_common import SetupError


def normalise(name: str) -> str:
    """Return a distribution's name the way package indexes compare it."""
    return re.sub(r'[-_.]+', '-', name).lower()


def read_pins(path: Path) -> dict[str, str]:
    """Return version by normalised name of a lock file's lines.

    Raises:
        SetupError: If a line is not ``name==version``.
    """
    pins = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        text = line.partition('#')[0].strip()
        if not text:
            continue
        name, found, version = text.partition('==')
        if not found:
            raise SetupError(
                f'{path}: expected "name==version", got "{text}"; restore '
                'the file from git'
            )
        pins[normalise(name)] = version
    return pins


def installed(site: Path) -> dict[str, str]:
    """Return the version of each distribution, by normalised name.

    Args:
        site: The site-packages folder.
    """
    found = importlib.metadata.distributions(path=[str(site)])
    return {
        normalise(each.metadata['Name']): each.version
        for each in found
        if each.metadata['Name']
    }


def damaged(site: Path, names: Sequence[str]) -> list[str]:
    """Return which distributions were not installed to the end.

    pip writes a package's files first and its RECORD last, so an interrupted
    call leaves one without RECORD, or with files missing or cut short.

    Args:
        site: The site-packages folder.
        names: Normalised names of the distributions to look at.
    """
    wanted = set(names)
    result = []
    for info in site.glob('*.dist-info'):
        name = normalise(
            info.name.removesuffix('.dist-info').rpartition('-')[0]
        )
        if name not in wanted or _complete(info):
            continue
        result.append(name)
        if not (info / 'RECORD').is_file():
            # pip refuses to replace a package without RECORD.
            shutil.rmtree(info)
    return sorted(result)


def _complete(info: Path) -> bool:
    """Return whether the files of a RECORD are there and not cut short."""
    record = info / 'RECORD'
    if not record.is_file() or not (info / 'METADATA').is_file():
        return False
    with record.open(newline='', encoding='utf-8') as stream:
        for row in csv.reader(stream):
            path, size = row[0], row[2]
            if path.endswith('.pyc') or not size:
                continue
            try:
                # A package may overwrite another's file (top-level tests
                # folders): shorter only counts when it is empty.
                actual = (info.parent / path).stat().st_size
            except OSError:
                return False
            if int(size) > 0 and actual == 0:
                return False
            if path.endswith('.so') and actual != int(size):
                return False
    return True
