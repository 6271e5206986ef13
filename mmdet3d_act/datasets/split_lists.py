"""Lists of files that say what belongs to a split, and drawn splits."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers import POINT_FILE_SUFFIXES

SPLIT_NAMES = ('train', 'val', 'test')
LIST_SUFFIXES = ('.txt', '.csv', '.json')
_PATH_COLUMNS = ('path', 'file', 'filename', 'file_name', 'lidar_path')
_LABEL_COLUMNS = ('label', 'class', 'category', 'gt_label', 'class_name')
_SUFFIX = '|'.join(re.escape(suffix) for suffix in POINT_FILE_SUFFIXES)
# A path may hold blanks where it ends in a suffix.
_PATH_AND_LABEL = re.compile(
    rf'(.*?(?:{_SUFFIX})|[^\s,;]+)(?:[\s,;]+(\S.*))?', re.IGNORECASE
)


class ListEntry(NamedTuple):
    """A line of a list; label and split are None where it names none."""

    path: str
    label: str | None = None
    split: str | None = None


def read_list(path: str) -> list[ListEntry]:
    """Return the entries of a list of files.

    - ``.txt``: ``path`` or ``path label`` in each line, separated by blanks
      or a comma.
    - ``.csv``: a first row of names with ``path`` (or ``file``,
      ``filename``) and, if wanted, ``label`` (or ``class``, ``category``)
      and ``split``; without one the columns are path and label.
    - ``.json``: a list of paths, of [path, label] or of such dicts, or a
      dict of these lists by split.

    Args:
        path: The list.

    Returns:
        One entry per file, in the list's order.

    Raises:
        ValueError: If the list is not of this form.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in LIST_SUFFIXES:
        raise ValueError(
            f'expected a list that ends in one of {LIST_SUFFIXES}, got {path}'
        )
    reader = {'.csv': _read_csv, '.json': _read_json}.get(suffix, _read_lines)
    try:
        entries = reader(path)
    except (UnicodeError, json.JSONDecodeError, csv.Error) as error:
        raise ValueError(
            f'{path}: expected a list of files, it is unreadable: {error}'
        ) from error
    return entries


def _read_lines(path: str) -> list[ListEntry]:
    entries = []
    with open(path, encoding='utf-8-sig') as file:
        for line in file:
            text = line.strip()
            if not text or text.startswith('#'):
                continue
            match = _PATH_AND_LABEL.fullmatch(text)
            entries.append(ListEntry(*match.groups() if match else (text,)))
    return entries


def _read_csv(path: str) -> list[ListEntry]:
    with open(path, encoding='utf-8-sig', newline='') as file:
        rows = [row for row in csv.reader(file) if any(map(str.strip, row))]
    if not rows:
        return []
    names = [name.strip().lower() for name in rows[0]]
    if not set(names) & set(_PATH_COLUMNS):
        return [ListEntry(*(f.strip() for f in row[:2])) for row in rows]
    return [
        _from_dict(path, dict(zip(names, map(str.strip, row), strict=False)))
        for row in rows[1:]
    ]


def _read_json(path: str) -> list[ListEntry]:
    with open(path, encoding='utf-8') as file:
        content = json.load(file)
    by_split = content if isinstance(content, dict) else {None: content}
    entries = []
    for split, items in by_split.items():
        if not isinstance(items, list):
            raise ValueError(
                f'{path}: expected a list of files, or a dict of lists by '
                f'split, got {type(items).__name__}'
            )
        for item in items:
            entry = _from_item(path, item)
            entries.append(entry._replace(split=split or entry.split))
    return entries


def _from_item(path: str, item: object) -> ListEntry:
    if isinstance(item, str):
        return ListEntry(item)
    if isinstance(item, dict):
        return _from_dict(path, item)
    if isinstance(item, list) and len(item) == 2:
        return ListEntry(str(item[0]), str(item[1]))
    raise ValueError(
        f'{path}: expected a path, [path, label] or a dict, got '
        f'{str(item)[:80]}'
    )


def _from_dict(path: str, row: dict) -> ListEntry:
    file = next((row[n] for n in _PATH_COLUMNS if row.get(n)), None)
    if file is None:
        raise ValueError(
            f'{path}: expected one of {_PATH_COLUMNS} in each entry, got {row}'
        )
    label = next(
        (str(row[n]) for n in _LABEL_COLUMNS if row.get(n) not in (None, '')),
        None,
    )
    return ListEntry(str(file), label, row.get('split') or None)


def sort_labels(labels: set[str]) -> list[str]:
    """Return labels in the order that numbers them.

    Args:
        labels: Names or numbers.

    Returns:
        Numbers by value where all are numbers, otherwise by name.
    """
    if all(label.isdecimal() for label in labels):
        return sorted(labels, key=int)
    return sorted(labels)


def draw_splits(
    groups: Sequence[Sequence[str]], ratio: Sequence[float], seed: int
) -> dict[str, list[str]]:
    """Return names divided at random, each group in the same ratio.

    Args:
        groups: Names; a group is a class.
        ratio: Shares of train, val and test, with the sum 1.
        seed: What decides the draw, besides the names.

    Returns:
        Names by split, sorted.

    Raises:
        ValueError: If the ratio is not three shares with the sum 1.
    """
    shares = np.asarray(ratio, np.float64)
    if (
        shares.shape != (3,)
        or (shares < 0).any()
        or abs(shares.sum() - 1) > 1e-6
    ):
        raise ValueError(
            'split_ratio must be the shares of train, val and test, such as '
            f'(0.8, 0.1, 0.1), got {ratio!r}'
        )
    rng = np.random.default_rng(seed)
    parts: dict[str, list[str]] = {name: [] for name in SPLIT_NAMES}
    credit = np.zeros(3)
    for position in rng.permutation(len(groups)):
        names = sorted(groups[position])
        for index in rng.permutation(len(names)):
            # Who is owed most gets the next one, so that small groups are
            # divided fairly, too.
            credit += shares
            winner = int(np.argmax(credit - (shares == 0)))
            credit[winner] -= 1
            parts[SPLIT_NAMES[winner]].append(names[index])
    return {name: sorted(part) for name, part in parts.items()}
