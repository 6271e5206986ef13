"""The published folds of few-shot ModelNet40."""

from __future__ import annotations

import os
from typing import ClassVar

import numpy as np

from mmdet3d_act.datasets.archived import ArchivedCloudsMixin
from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.few_shot import check_episode
from mmdet3d_act.datasets.modelnet40 import ModelNet40
from mmdet3d_act.datasets.packed import read_arrays_pickle
from mmdet3d_act.registry import DATASETS

# The released code has the underscore, its documentation does not.
_FOLDERS = ('{way}way_{shot}shot', '{way}way{shot}shot')
_LAYOUT = (
    '{5,10}way_{10,20}shot/{0..9}.pkl, pickles of dict(train=[(points, '
    'label, class), ...], test=[...])'
)


@DATASETS.register_module()
class ModelNetFewShot(ArchivedCloudsMixin, PointCloudDataset):
    """A fold of few-shot ModelNet40: ``way`` classes, ``shot`` clouds each.

    The test part has 20 clouds of each class. Unpickling is restricted to
    arrays. ``classes`` of the meta information are those of the fold, in the
    order of its labels. `FewShotDraw` draws folds of other data sets.

    Args:
        data_root: Folder with ``5way_10shot/0.pkl`` and so on.
        split: ``'train'`` or ``'test'``.
        way: Number of classes.
        shot: Number of training clouds of each class.
        fold: Number of the fold, from 0; there are 10.
        **kwargs: Arguments of `PointCloudDataset`.

    Raises:
        ValueError: If one of these numbers is too small.

    Example:
        >>> pipeline = [dict(type='LoadPointCloud')]
        >>> data = ModelNetFewShot(
        ...     'data/ModelNetFewshot', 'train', way=5, shot=10, fold=0,
        ...     pipeline=pipeline)
        >>> len(data), len(data.metainfo['classes'])
        (50, 5)

    Source: Sharma & Kaul 2020, Self-supervised few-shot learning on point
    clouds; the folds are Point-BERT's.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='y', normalization='unit_sphere'
    )
    SPLITS = ('train', 'test')
    REMEDY = (
        'The folds are distributed with Point-BERT; folds of your own are '
        'drawn from ModelNet40 by FewShotDraw, as in '
        'configs/_base_/datasets/modelnet40_fewshot_drawn.py.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        way: int = 5,
        shot: int = 10,
        fold: int = 0,
        **kwargs: object,
    ) -> None:
        check_episode(way, shot, fold)
        self.way = way
        self.shot = shot
        self.fold = fold
        super().__init__(data_root, split, **kwargs)

    @property
    def fold_file(self) -> str:
        """Return the file of the fold."""
        paths = [
            os.path.join(
                self.data_root,
                folder.format(way=self.way, shot=self.shot),
                f'{self.fold}.pkl',
            )
            for folder in _FOLDERS
        ]
        return next(filter(os.path.isfile, paths), paths[0])

    def pack_name(self, split: str | None) -> str:
        """Return the name of a split's pack, without suffix.

        Args:
            split: The split.

        Returns:
            The name; each fold has its own.
        """
        return f'{self.way}way_{self.shot}shot_{self.fold}_{split}'

    def list_options(self) -> dict:
        """Return what the list depends on besides folder and split.

        Returns:
            Values that JSON can hold.
        """
        return dict(way=self.way, shot=self.shot, fold=self.fold)

    def find_problems(self) -> list[str]:
        """Return what of the layout is missing.

        Returns:
            Messages with the expected path and the remedy.
        """
        if os.path.isfile(self.fold_file):
            return []
        return [self.describe_missing('its fold', self.fold_file, _LAYOUT)]

    def list_samples(self) -> list[dict]:
        """Return number in the fold, split and class of every cloud.

        Returns:
            One dict per sample.

        Raises:
            ValueError: If the file is not such a fold.
        """
        path = self.fold_file
        parts = load_fold(path, self.way)
        self._metainfo['classes'] = _class_names(path, parts, self.way)
        clouds, labels, _ = parts[self.split]
        return self.list_archive(
            path, clouds, labels, self._metainfo['classes']
        )


def load_fold(
    path: str, way: int
) -> dict[str, tuple[list[np.ndarray], list[int], list[int | None]]]:
    """Return clouds, labels and ModelNet40's classes of a fold, by split.

    Args:
        path: File such as ``5way_10shot/0.pkl``.
        way: Number of classes.

    Returns:
        For 'train' and 'test': arrays (N, 3 + F), labels, and the classes'
        numbers in ModelNet40, None where the file does not tell.

    Raises:
        ValueError: If the file is not a pickle, holds types that are not
            allowed, or is not a fold of so many classes.
    """
    content = read_arrays_pickle(path)
    splits = ModelNetFewShot.SPLITS
    if not isinstance(content, dict) or not set(splits) <= set(content):
        got = type(content).__name__
        if isinstance(content, dict):
            got = f'a dict of {sorted(map(str, content))}'
        raise ValueError(
            f"{path}: expected a pickled dict with 'train' and 'test', got "
            f'{got}'
        )
    parts = {}
    for split in splits:
        rows = [_row(path, split, row) for row in content[split]]
        labels = [label for _, label, _ in rows]
        if set(labels) != set(range(way)):
            raise ValueError(
                f'{path}: expected {split} clouds of the labels 0 to '
                f'{way - 1}, as its folder says, got {sorted(set(labels))}'
            )
        parts[split] = (
            [cloud for cloud, _, _ in rows],
            labels,
            [number for _, _, number in rows],
        )
    return parts


def _row(
    path: str, split: str, row: object
) -> tuple[np.ndarray, int, int | None]:
    """Return cloud, label and class of an entry."""
    whole = isinstance(row, list | tuple) and len(row) in (2, 3)
    if not whole or not isinstance(row[0], np.ndarray):
        raise ValueError(
            f'{path}: expected (points, label, class) in {split!r}, got '
            f'{type(row).__name__}'
        )
    numbers = [np.asarray(value) for value in row[1:]]
    if any(n.size != 1 or n.dtype.kind not in 'iu' for n in numbers):
        raise ValueError(
            f'{path}: expected label and class in {split!r} to be whole '
            f'numbers, got {str(row[1:])[:80]}'
        )
    label, number = ([n.item() for n in numbers] + [None])[:2]
    return row[0], label, number


def _class_names(path: str, parts: dict, way: int) -> tuple[str, ...]:
    """Return the class of each label, the same in both splits."""
    known = ModelNet40.METAINFO['classes']
    names: dict[int, str] = {}
    for _, labels, numbers in parts.values():
        for label, number in zip(labels, numbers, strict=True):
            name = f'class {label}'
            if number is not None and 0 <= number < len(known):
                name = known[number]
            if names.setdefault(label, name) != name:
                raise ValueError(
                    f'{path}: label {label} is {names[label]} and {name}; '
                    'expected one class per label, the same in train and test'
                )
    return tuple(names[label] for label in range(way))
