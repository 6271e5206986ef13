"""Lists of files: reading them, and comparing them with folders."""

from __future__ import annotations

import os
from collections.abc import Iterable


def describe_missing_files(
    owner: str, folder: str, names: Iterable[str]
) -> list[str]:
    """Return a message about listed files that are not in their folder.

    Args:
        owner: Name of the data set's class.
        folder: Folder that the names are relative to.
        names: File names; sub-folders separated by '/'.

    Returns:
        No message, or one with the count and an example.
    """
    wanted = list(names)
    present: dict[str, set[str]] = {}
    missing = []
    for name in wanted:
        parent, _, file = name.rpartition('/')
        if parent not in present:
            path = os.path.join(folder, parent)
            present[parent] = (
                set(os.listdir(path)) if os.path.isdir(path) else set()
            )
        if file not in present[parent]:
            missing.append(name)
    if not missing:
        return []
    return [
        f'{owner}: {len(missing)} of {len(wanted)} listed files are missing '
        f'in {folder}, for example {missing[0]}. Complete the data, or set '
        "on_error='skip' in the data set's config to go on without them."
    ]


def read_lines(path: str) -> list[str]:
    """Return the lines of a text file that are not blank, stripped.

    Args:
        path: The file.

    Returns:
        The lines.
    """
    with open(path, encoding='utf-8') as file:
        return [line.strip() for line in file if line.strip()]
