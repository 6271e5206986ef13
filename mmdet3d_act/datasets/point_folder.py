"""A folder of point files as a data set: files, lists, splits, classes."""

from __future__ import annotations

import csv
import functools
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TextIO

import numpy as np

from mmdet3d_act.datasets.orientation import (
    KNOWN_AXES,
    Guess,
    guess_up_axis,
)
from mmdet3d_act.datasets.packs import SUFFIX as PACK_SUFFIX
from mmdet3d_act.datasets.packs import PackableDataset
from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    TEXT_FILE_SUFFIXES,
    BadSampleError,
    is_document,
    read_points,
)
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.datasets.transforms import NormalizeToUnitSphere
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice, log_once

AUTO = 'auto'
SPLIT_NAMES = ('train', 'val', 'test')
LIST_SUFFIXES = ('.txt', '.csv')
_LISTS = (*SPLIT_NAMES, 'splits', 'classes')
_SUFFIX = '|'.join(re.escape(suffix) for suffix in POINT_FILE_SUFFIXES)
# A path may hold blanks where it ends in a suffix.
_PATH_AND_LABEL = re.compile(
    rf'(.*?(?:{_SUFFIX})|[^\s,;]+)(?:[\s,;]+(\S.*))?', re.IGNORECASE
)
_CLASS_SOURCES = ('folders', 'lists')
# Clouds that a guess looks at, and points drawn on their meshes.
_LOOKED_AT = 32
_MESH_POINTS = 2048
# Of fewer clouds a fifth is none.
_MIN_DRAWN = 3


class FolderEntry(NamedTuple):
    """A cloud: its path, class folder, listed label and listed split."""

    path: str
    folder: str | None = None
    label: str | None = None
    split: str | None = None


@DATASETS.register_module()
class PointFolder(PackableDataset):
    """The point files of a folder, with or without splits and classes.

    Files are found in all sub-folders, in the order of their names.
    ``docs/data.md`` describes formats, layouts and lists.

    Args:
        data_root: The folder.
        split: ``'train'``, ``'val'`` or ``'test'``: the files of the split's
            list, or of the sub-folder of this name, ``<split>/`` or
            ``<class>/<split>/``. ``'trainval'``: all of these splits that
            exist. None: the folder itself, as one training set.
        classes: ``'folders'``: the sub-folders are the classes, numbered in
            the order of their names over all splits. ``'lists'``: the labels
            in the lists are. A sequence of names: the classes in this order;
            another one is an error. None: ``classes`` of ``metainfo``,
            otherwise no labels.
        split_list: Path of the lists of files, from ``data_root``;
            ``{split}`` in it stands for the split. None looks for
            ``{split}`` and ``splits`` with .txt or .csv.
        split_ratio: Shares of train, val and test, such as (0.8, 0.1, 0.1),
            to divide the files of the folder at random, class by class.
            ``'auto'``: as the folder has it; where it has no splits, 0.8 for
            training and 0.2 for tests are drawn, and where it has val alone
            beside train, this is for tests.
        split_seed: Seed of this draw.
        suffixes: Suffixes of the files to take, such as ('.npy',). None
            takes all that can be read.
        up_axis: Axis that points up, 'x', 'y' or 'z'. ``'auto'`` guesses it;
            ``guesses`` of the data set has the reason. None assumes 'y'.
        normalization: What the clouds are after the pipeline. None says
            ``'unit_sphere'``, which `NormalizeToUnitSphere` in a pipeline
            makes true. What is guessed or assumed is logged.
        metainfo: See `BaseDataset`.
        **kwargs: Arguments of `PackableDataset`.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='y', normalization='unit_sphere'
    )
    SPLITS = (None, *SPLIT_NAMES, 'trainval')
    TRAINVAL = SPLIT_NAMES
    LAYOUT = (
        f'files that end in one of {", ".join(POINT_FILE_SUFFIXES)}, in the '
        'folder and its sub-folders; with a split, in <split>/ or '
        '<class>/<split>/, or named in <split>.txt or .csv; with '
        'classes, in a sub-folder per class'
    )
    REMEDY = (
        "Set data_root in the data set's config to the folder with your "
        'clouds; configs/act/act_*_folder*.py take it from the environment '
        'variable ACT_CLOUDS.'
    )

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        classes: str | Sequence[str] | None = None,
        split_list: str | None = None,
        split_ratio: Sequence[float] | str | None = None,
        split_seed: int = 0,
        suffixes: Sequence[str] | None = None,
        up_axis: str | None = None,
        normalization: str | None = None,
        metainfo: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if classes is None:
            classes = (metainfo or {}).get('classes') or None
        if isinstance(classes, str) and classes not in _CLASS_SOURCES:
            raise ValueError(
                'classes must be a sequence of names, or one of '
                f'{_CLASS_SOURCES}, got {classes!r}; a single name is '
                f'({classes!r},), with the comma'
            )
        for suffix in suffixes or ():
            check_choice('each of suffixes', suffix, POINT_FILE_SUFFIXES)
        self.classes = classes
        self.split_list = split_list
        self.split_ratio: Any = split_ratio
        self.split_seed = split_seed
        self.suffixes = tuple(suffixes or POINT_FILE_SUFFIXES)
        self.stated = dict(up_axis=up_axis, normalization=normalization)
        self.guesses: dict[str, list[str]] = {}
        super().__init__(
            data_root,
            split,
            up_axis=None if up_axis == AUTO else up_axis,
            normalization=normalization,
            metainfo=metainfo,
            **kwargs,
        )

    # What a data set says of itself.

    @classmethod
    def find_classes(cls, cfg: dict) -> dict:
        """Look up classes, and the like, of a configured folder.

        Args:
            cfg: Of a data set.

        Returns:
            Its meta information; empty where there is no such folder.
        """
        if not os.path.isdir(cfg['data_root']):
            return {}
        left_out = ('type', '_scope_', 'pipeline', 'static_pipeline')
        options = {k: v for k, v in cfg.items() if k not in left_out}
        return cls(**options | dict(lazy_init=True)).metainfo

    def describe(self) -> None:
        """State the classes, of every split so that labels agree."""
        if self.split_ratio == AUTO:
            self._choose_splits()
        self._metainfo['classes'] = tuple(self._find_classes())

    def full_init(self) -> None:
        """Load the list of samples; state what is guessed and assumed."""
        if self._fully_initialized:
            return
        super().full_init()
        self._describe_clouds()

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The splits that this one consists of, and that are there."""
        return tuple(
            part
            for part in super().parts
            if part == self.split or self._has_split(part)
        )

    def find_problems(self) -> list[str]:
        """Say what of the layout is missing."""
        path, what = self.data_root, 'a folder'
        lists = [self._find_list(part) for part in self.parts]
        if os.path.isdir(path) and not any(lists) and not self.files:
            there = self.explain_nothing()
            return [f'{path} has no clouds{there}. {self.REMEDY}']
        if any(map(self._has_split, self.parts)):
            return super().find_problems()
        if self.split_list is not None:
            path, what = self._find_list(self.split), 'a list'
        elif not os.path.isdir(path):
            what = 'a folder, which does not exist,'  # the same of all splits
        elif self.split not in (None, 'trainval'):
            path = os.path.join(path, self.split)
        text = self.describe_missing(what, path)
        if self.split is not None and self.files:
            text += (
                f' {self.data_root} has clouds without a split: leave split '
                'out to take them all, or draw splits by '
                'split_ratio=(0.8, 0.1, 0.1).'
            )
        return [text]

    def explain_nothing(self) -> str:
        """Say what the folder has instead of clouds."""
        if not self.left_out:
            return ''
        readable = ' '.join(self.suffixes)
        return f'; it has {self.left_out}, what can be read is {readable}'

    def list_samples(self) -> list[dict]:
        """List file, split and, with classes, label of every cloud."""
        samples = []
        for split in self.parts:
            for entry in self._list_entries(split):
                sample = dict(lidar_path=entry.path, split=split or 'train')
                if self.classes is not None:
                    name = self._name_class(entry)
                    sample['category'] = name
                    sample['gt_label'] = self._metainfo['classes'].index(name)
                samples.append(sample)
        return samples

    def _choose_splits(self) -> None:
        self.split_ratio = None
        known = [name for name in SPLIT_NAMES if self._has_split(name)]
        if not known and self.split is not None:
            if 0 < len(self.files) < _MIN_DRAWN:
                raise ValueError(
                    f'{self.data_root} has {len(self.files)} of at least '
                    f'{_MIN_DRAWN} clouds that splits are drawn of; add some, '
                    'or make folders train/ and test/'
                )
            if not self.files:
                return  # it is told where the layout is checked
            self.split_ratio = (0.8, 0, 0.2)
            log_once(
                f'{self.data_root} has no splits: of {len(self.files)} clouds '
                f'{self.split_ratio} are drawn for {SPLIT_NAMES}',
                logging.INFO,
            )
        elif self.split == 'test' and 'test' not in known and 'val' in known:
            self.split = 'val'

    # Files and splits. What belongs to a split is told by, in this order: a
    # drawn ratio; a list; the folder <split>/; <class>/<split>/ in each class.

    @functools.cached_property
    def files(self) -> list[str]:
        """The point files of the folder, relative to it, sorted.

        Hidden files, packs and lists are left out, and texts that begin with
        a word: names, license, read-me.
        """
        found, _ = self._walked
        if self.left_out:
            log_once(
                f'{self.data_root}: {len(found)} clouds; left out, as no '
                f'clouds: {self.left_out}',
                logging.INFO,
            )
        return found

    @functools.cached_property
    def left_out(self) -> str:
        """What the folder has besides clouds, counted by suffix."""
        _, others = self._walked
        if not others:
            return ''
        kinds = Counter(_suffix(path) or 'others' for path in others)
        counts = ', '.join(f'{n} {kind}' for kind, n in kinds.most_common())
        return f'{counts}, for example {others[0]}'

    @functools.cached_property
    def _walked(self) -> tuple[list[str], list[str]]:
        """The clouds, and what is none, relative to the folder, sorted."""
        lists = {stem + suffix for stem in _LISTS for suffix in LIST_SUFFIXES}
        named = (self._find_list(split) for split in (None, *SPLIT_NAMES))
        lists |= {os.path.relpath(p, self.data_root) for p in named if p}
        found: list[str] = []
        others: list[str] = []
        for parent, folders, names in os.walk(
            self.data_root, followlinks=True
        ):
            folders[:] = [
                name
                for name in folders
                if name[0] != '.' and not name.endswith(PACK_SUFFIX)
            ]
            place = os.path.relpath(parent, self.data_root)
            names = [name for name in names if name[0] != '.']
            for name in names:
                path = os.path.normpath(os.path.join(place, name))
                if path in lists:
                    continue
                is_cloud = _suffix(name) in self.suffixes and not (
                    _suffix(name) in TEXT_FILE_SUFFIXES
                    and is_document(os.path.join(parent, name))
                )
                (found if is_cloud else others).append(path)
        return sorted(found), sorted(others)

    def _find_list(self, split: str | None) -> str | None:
        """Find the list of a split.

        It need not exist where ``split_list`` names it; None has a list only
        there.
        """
        if self.split_list is not None:
            name = self.split_list.replace('{split}', split or '')
            return os.path.join(self.data_root, name)
        if split is None or self.split_ratio is not None:
            return None
        paths = [
            os.path.join(self.data_root, stem + suffix)
            for stem in (split, 'splits')
            for suffix in LIST_SUFFIXES
        ]
        return next(filter(os.path.isfile, paths), None)

    def _has_split(self, split: str | None) -> bool:
        path = self._find_list(split)
        if path is not None:
            return os.path.isfile(path)
        if os.path.isdir(os.path.join(self.data_root, split or '')):
            return True
        return bool(self._list_entries(split))

    def _list_entries(self, split: str | None) -> list[FolderEntry]:
        """List the clouds of a split; None: all of the folder.

        They need not exist where a list names them.
        """
        path = self._find_list(split)
        if path is not None:
            return self._read_entries(path, split)
        if split is not None and self.split_ratio is not None:
            names = self._draw(split)
        elif split is None:
            names = self.files
        else:
            place = int(not os.path.isdir(os.path.join(self.data_root, split)))
            names = [
                name
                for name in self.files
                if name.split(os.sep)[:-1][place : place + 1] == [split]
            ]
        return [self._locate(FolderEntry(name), split) for name in names]

    def _locate(self, entry: FolderEntry, split: str | None) -> FolderEntry:
        """Complete an entry; its class is its first folder but the split's."""
        path = os.path.normpath(os.path.join(self.data_root, entry.path))
        name = os.path.relpath(path, self.data_root)
        parts = name.split(os.sep)[:-1]
        if parts[:1] == [os.pardir]:
            # A list may name files elsewhere; the class is their folder.
            parts = parts[-1:]
        if split in parts[:2]:
            parts.remove(split)
        return entry._replace(path=path, folder=parts[0] if parts else None)

    def _read_entries(self, path: str, split: str | None) -> list[FolderEntry]:
        if not os.path.isfile(path):
            return []
        entries = read_list(path)
        names_split = os.path.basename(path).startswith(f'{split}.') or (
            self.split_list is not None and '{split}' in self.split_list
        )
        if split is not None and not names_split:
            entries = [entry for entry in entries if entry.split == split]
        return [
            self._locate(
                entry._replace(path=self._with_suffix(entry.path)), split
            )
            for entry in entries
        ]

    def _with_suffix(self, name: str) -> str:
        """Find the file that a list's name without suffix stands for."""
        if _suffix(name) in POINT_FILE_SUFFIXES:
            return name
        path = os.path.join(self.data_root, name)
        stem = os.path.relpath(path, self.data_root)
        return self._files_by_stem.get(stem, name)

    @functools.cached_property
    def _files_by_stem(self) -> dict[str, str]:
        """Files by path without suffix, and by name where this is unique."""
        stems = {os.path.splitext(path)[0]: path for path in self.files}
        counts = Counter(map(os.path.basename, stems))
        names = {
            os.path.basename(stem): path
            for stem, path in stems.items()
            if counts[os.path.basename(stem)] == 1
        }
        return names | stems

    def _draw(self, split: str) -> list[str]:
        groups: dict[str | None, list[str]] = {}
        for name in self.files:
            folder = self._locate(FolderEntry(name), None).folder
            groups.setdefault(folder, []).append(name)
        parts = draw_splits(
            list(groups.values()), self.split_ratio, self.split_seed
        )
        return parts[split]

    # Classes.

    def _find_classes(self) -> Sequence[str]:
        if not isinstance(self.classes, str):
            return self.classes or ()
        splits = [None] if self.split is None else SPLIT_NAMES
        entries = [e for split in splits for e in self._list_entries(split)]
        if self.classes == 'lists':
            return sort_labels({e.label for e in entries if e.label})
        names = {entry.folder for entry in entries if entry.folder}
        if self.split is None and names and names <= set(SPLIT_NAMES):
            raise ValueError(
                f'the sub-folders of {self.data_root} are splits, '
                f'{sorted(names)}, not classes; name one with split'
            )
        return sorted(names)

    def _name_class(self, entry: FolderEntry) -> str:
        """Name the class of a cloud, or refuse it by name."""
        classes = self._metainfo['classes']
        name = entry.folder
        if self.classes == 'lists' or (
            self.classes != 'folders' and entry.label is not None
        ):
            name = entry.label
        if name not in classes and str(name).isdecimal():
            name = dict(enumerate(classes)).get(int(name), name)
        if name is None and self.classes != 'lists':
            raise ValueError(
                f'{entry.path} lies in no sub-folder of a class; move it into '
                f'one of {list(classes)} in {self.data_root}'
            )
        if name not in classes:
            raise ValueError(
                f'{entry.path} is of the class {name!r} by its list, or its '
                f'folder in {self.data_root}; expected one of {list(classes)}'
            )
        return name

    # What nobody stated about the clouds.

    def _describe_clouds(self) -> None:
        normalizes = self.first_transform(NormalizeToUnitSphere) is not None
        if normalizes and self.stated['normalization'] is None:
            self.stated['normalization'] = 'unit_sphere'
            self._metainfo['normalization'] = 'unit_sphere'
        assumed = [key for key, value in self.stated.items() if value is None]
        if assumed:
            values = {key: self._metainfo[key] for key in assumed}
            log_once(
                f'{self.data_root}: assumed, as nothing is stated: {values}; '
                f'state them as options of PointFolder; up_axis={AUTO!r} is '
                'guessed'
            )
        if self.stated['up_axis'] == AUTO:
            guess = self._guess_up_axis()
            self.guesses['up_axis'] = [guess.value, guess.told]
            self._metainfo['up_axis'] = guess.value
            log_once(
                f'{self.data_root}: guessed up_axis={guess.value!r}: '
                f'{guess.told}; state it if this is wrong (ACT_UP_AXIS=y)',
                logging.WARNING if guess.is_unsure else logging.INFO,
            )

    def _guess_up_axis(self) -> Guess:
        """Guess from clouds of all splits, so that these agree."""
        files = self.files
        if not files:
            files = [s['lidar_path'] for s in self.load_data_list()]
        kinds = {_suffix(file) for file in files}
        known = {KNOWN_AXES.get(kind, '') for kind in kinds}
        if len(known) == 1 and known != {''}:
            told = ', '.join(sorted(kinds))
            return Guess(known.pop(), f'{told} files say so', False)
        return guess_up_axis(self._read_some(_LOOKED_AT, files))

    def _read_some(
        self, number: int, files: Sequence[str] = ()
    ) -> list[np.ndarray]:
        """Read some clouds, spread over all; at least one must be good."""
        files = files or self.files
        picked = np.linspace(0, len(files) - 1, number).round()
        clouds, faults = [], []
        for index in np.unique(picked.astype(int)):
            path = os.path.join(self.data_root, files[index])
            try:
                clouds.append(read_points(path, mesh_points=_MESH_POINTS))
            except BadSampleError as error:
                # The others are reported where they are used.
                faults.append(str(error))
        if not clouds:
            raise ValueError(
                f'none of the {len(faults)} files looked at in '
                f'{self.data_root} can be read, so nothing can be guessed '
                '(up_axis, scale); state it:\n' + '\n'.join(faults[:3])
            )
        return clouds


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


# Lists of files.


def read_list(path: str) -> list[FolderEntry]:
    """Read a list of files, one entry per file.

    - ``.csv``: a first row of names with ``path`` and, if wanted, ``label``
      and ``split``; without one the columns are path and label.
    - Others: ``path`` or ``path label`` in each line, separated by blanks
      or a comma.
    """
    read = _iter_csv if _suffix(path) == '.csv' else _iter_lines
    with (
        reading(path, 'a list of files, see docs/data.md'),
        open(path, encoding='utf-8-sig', newline='') as file,
    ):
        return list(read(file))


def _iter_lines(file: TextIO) -> Iterator[FolderEntry]:
    for line in file:
        text = line.strip()
        if text and not text.startswith('#'):
            match = _PATH_AND_LABEL.fullmatch(text)
            name, label = match.groups() if match else (text, None)
            yield FolderEntry(name, label=label)


def _iter_csv(file: TextIO) -> Iterator[FolderEntry]:
    first = file.readline()
    file.seek(0)
    delimiter = max(',;\t', key=first.count)
    rows = [
        [field.strip() for field in row]
        for row in csv.reader(file, delimiter=delimiter)
        if any(map(str.strip, row))
    ]
    names = [name.lower() for name in rows[0]] if rows else []
    if 'path' not in names:
        names = ['path', 'label']
    else:
        rows = rows[1:]
    for row in rows:
        cells = dict(zip(names, row, strict=False))
        if not cells['path']:
            raise ValueError(f'expected a path in each row, got {row}')
        label, split = cells.get('label'), cells.get('split')
        yield FolderEntry(
            cells['path'], label=label or None, split=split or None
        )


def sort_labels(labels: set[str]) -> list[str]:
    """Put labels into the order that numbers them."""
    if all(label.isdecimal() for label in labels):
        return sorted(labels, key=int)
    return sorted(labels)


def draw_splits(
    groups: Sequence[Sequence[str]], ratio: Sequence[float], seed: int
) -> dict[str, list[str]]:
    """Divide names at random, each group (a class) in the same ratio.

    The draw depends on the names and the seed alone.

    Args:
        groups: Names.
        ratio: Shares of train, val and test, with the sum 1.
        seed: Seed of the draw.

    Returns:
        Names by split, sorted.
    """
    shares = np.asarray(ratio, np.float64)
    if len(shares) != 3 or shares.min() < 0 or abs(shares.sum() - 1) > 1e-6:
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
            winner = int(np.argmax(credit))
            credit[winner] -= 1
            parts[SPLIT_NAMES[winner]].append(names[index])
    return {name: sorted(part) for name, part in parts.items()}
