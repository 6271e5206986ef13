"""What clouds a folder holds, and how its layout divides them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from mmengine.logging import print_log

from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    TEXT_FILE_SUFFIXES,
    is_document,
)
from mmdet3d_act.datasets.split_lists import (
    LIST_SUFFIXES,
    SPLIT_NAMES,
    ListEntry,
    draw_splits,
    read_list,
)

# Fewer texts in one folder, or texts beside folders, are looked into.
_MANY_TEXTS = 16
_COMMON_LIST = 'splits'


class FolderEntry(NamedTuple):
    """A cloud: its path, class folder and listed label, or None."""

    path: str
    folder: str | None
    label: str | None = None


class CloudFolder:
    """The point files of a folder and its sub-folders, by split.

    What belongs to a split is told by, in this order: a drawn ratio; a list;
    the sub-folder ``<split>/``; ``<class>/<split>/`` in each class.

    Args:
        root: The folder.
        suffixes: Suffixes of the files; None takes all that can be read.
        split_list: Path of the lists, from the folder, ``{split}`` in it
            stands for the split. None finds ``{split}`` or ``splits`` with
            .txt, .csv or .json.
        split_ratio: Shares of train, val and test to draw.
        split_seed: Seed of the draw.

    Raises:
        ValueError: If a suffix cannot be read.
    """

    def __init__(
        self,
        root: str,
        *,
        suffixes: Sequence[str] | None = None,
        split_list: str | None = None,
        split_ratio: Sequence[float] | None = None,
        split_seed: int = 0,
    ) -> None:
        unknown = set(suffixes or ()) - set(POINT_FILE_SUFFIXES)
        if unknown or isinstance(suffixes, str):
            raise ValueError(
                f'suffixes must be some of {POINT_FILE_SUFFIXES}, got '
                f'{suffixes!r}'
            )
        if split_list is not None and split_ratio is not None:
            raise ValueError(
                'expected split_list or split_ratio, got both; leave one out'
            )
        self.root = root
        self.suffixes = tuple(suffixes or POINT_FILE_SUFFIXES)
        self.split_list = split_list
        self.split_ratio = split_ratio
        self.split_seed = split_seed
        self._found: dict[str, list[str]] = {}
        if split_ratio is not None:
            draw_splits((), split_ratio, split_seed)

    def find_list(self, split: str | None) -> str | None:
        """Return the list of a split.

        Args:
            split: 'train', 'val' or 'test'; None has a list only where
                ``split_list`` names one.

        Returns:
            Its path, which need not exist where ``split_list`` names it, or
            None.
        """
        if self.split_list is not None:
            name = self.split_list.replace('{split}', split or '')
            return os.path.join(self.root, name)
        if split is None or self.split_ratio is not None:
            return None
        for stem in (split, _COMMON_LIST):
            for suffix in LIST_SUFFIXES:
                path = os.path.join(self.root, stem + suffix)
                if os.path.isfile(path):
                    return path
        return None

    def list_sources(self) -> list[str]:
        """Return the lists of all splits that are there.

        Returns:
            Their paths, each once.
        """
        paths = [self.find_list(split) for split in (None, *SPLIT_NAMES)]
        return sorted({p for p in paths if p and os.path.isfile(p)})

    def has_split(self, split: str | None) -> bool:
        """Return whether the folder has clouds of a split.

        Args:
            split: 'train', 'val' or 'test'; None: the folder itself.

        Returns:
            True where its list or a folder of its name exists.
        """
        path = self.find_list(split)
        if path is not None:
            return os.path.isfile(path)
        if os.path.isdir(os.path.join(self.root, split or '')):
            return True
        return bool(self.list_entries(split))

    def list_entries(self, split: str | None) -> list[FolderEntry]:
        """Return the clouds of a split.

        Args:
            split: 'train', 'val' or 'test'. None: all of the folder.

        Returns:
            Files in the list's order or, without a list, by name; they need
            not exist where a list names them.
        """
        path = self.find_list(split)
        if path is not None:
            return self._listed(path, split)
        if split is not None and self.split_ratio is not None:
            return self._drawn(split)
        if split is None:
            return [self._entry(name) for name in self.find_files()]
        if os.path.isdir(os.path.join(self.root, split)):
            names = self.find_files(split)
        else:
            names = [
                name
                for name in self.find_files()
                if name.split(os.sep)[1:-1][:1] == [split]
            ]
        return [self._entry(name, split) for name in names]

    def find_files(self, folder: str = '') -> list[str]:
        """Return the point files of the folder, which is looked at once.

        Args:
            folder: A sub-folder to look in.

        Returns:
            Paths relative to the root, sorted. Hidden files and lists are
            left out, and texts that are none of many in their folder and
            begin with a word: lists of names, license, read-me.
        """
        if folder not in self._found:
            self._found[folder] = self._walk(folder)
        return self._found[folder]

    def _walk(self, folder: str) -> list[str]:
        skipped = {f'{s}{e}' for s in SPLIT_NAMES for e in LIST_SUFFIXES}
        skipped |= {_COMMON_LIST + suffix for suffix in LIST_SUFFIXES}
        skipped |= {
            os.path.normpath(os.path.relpath(path, self.root))
            for path in self.list_sources()
        }
        found, documents = [], []
        start = os.path.join(self.root, folder) if folder else self.root
        for parent, folders, names in os.walk(start, followlinks=True):
            folders[:] = [name for name in folders if name[0] != '.']
            names = [name for name in names if self._is_taken(name)]
            paths = {os.path.join(parent, name) for name in names}
            texts = {p for p in paths if _suffix(p) in TEXT_FILE_SUFFIXES}
            if folders or len(texts) < _MANY_TEXTS:
                documents += filter(is_document, texts)
            found += paths.difference(documents)
        others = [
            path
            for path in documents
            if os.path.normpath(os.path.relpath(path, self.root))
            not in skipped
        ]
        if others:
            print_log(
                f'{self.root}: left out what is no cloud: {min(others)}'
                + (f' and {len(others) - 1} more' if others[1:] else ''),
                logger='current',
            )
        relative = {os.path.relpath(path, self.root) for path in found}
        return sorted(relative - skipped)

    def _is_taken(self, name: str) -> bool:
        return name[0] != '.' and _suffix(name) in self.suffixes

    def _entry(
        self, name: str, split: str | None = None, label: str | None = None
    ) -> FolderEntry:
        """Return an entry; its class is its first folder but the split's."""
        parts = os.path.normpath(name).split(os.sep)[:-1]
        if split in parts[:2]:
            parts.remove(split)
        path = os.path.join(self.root, name)
        return FolderEntry(path, parts[0] if parts else None, label)

    def _listed(self, path: str, split: str | None) -> list[FolderEntry]:
        if not os.path.isfile(path):
            return []
        entries = read_list(path)
        names_split = os.path.basename(path).startswith(f'{split}.') or (
            self.split_list is not None and '{split}' in self.split_list
        )
        if split is not None and not names_split:
            entries = _of_split(path, entries, split)
        named = self._files_by_stem() if any(map(_is_stem, entries)) else {}
        return [
            self._entry(_the_one(named, e.path, path), split, e.label)
            for e in entries
        ]

    def _files_by_stem(self) -> dict[str, list[str]]:
        """Return files by path without suffix, else by such a name alone."""
        stems: dict[str, list[str]] = {}
        names: dict[str, list[str]] = {}
        for path in self.find_files():
            stem = os.path.splitext(path)[0]
            stems.setdefault(stem, []).append(path)
            names.setdefault(os.path.basename(stem), []).append(path)
        return names | stems

    def _drawn(self, split: str) -> list[FolderEntry]:
        there = [
            name
            for name in SPLIT_NAMES
            if os.path.isdir(os.path.join(self.root, name))
        ]
        if there:
            raise ValueError(
                f'split_ratio divides a folder at random, {self.root} is '
                f'divided into {there}; leave split_ratio out, or name one '
                'of these as data_root'
            )
        groups: dict[str | None, list[str]] = {}
        for name in self.find_files():
            groups.setdefault(self._entry(name).folder, []).append(name)
        parts = draw_splits(
            list(groups.values()), self.split_ratio, self.split_seed
        )
        return [self._entry(name) for name in parts[split]]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _the_one(named: dict[str, list[str]], name: str, list_file: str) -> str:
    """Return the file that a list's name without suffix stands for."""
    files = named.get(name, [name])
    if len(files) > 1:
        raise ValueError(
            f'{name} in {list_file} may be any of {files[:4]}; write the path '
            "with its suffix there, or choose by suffixes=('.npy',)"
        )
    return files[0]


def _is_stem(entry: ListEntry) -> bool:
    return _suffix(entry.path) not in POINT_FILE_SUFFIXES


def _of_split(
    path: str, entries: list[ListEntry], split: str
) -> list[ListEntry]:
    if entries and not any(entry.split for entry in entries):
        raise ValueError(
            f'{path} does not say which files belong to {split!r}; name the '
            "lists with split_list='{split}.txt', or add a column split"
        )
    return [entry for entry in entries if entry.split == split]
