"""ModelNet40, and the published few-shot folds of it."""

from __future__ import annotations

import operator
import os
from typing import Any, ClassVar

import numpy as np

from mmdet3d_act.datasets.base import PointCloudDataset, read_lines
from mmdet3d_act.datasets.few_shot import check_episode
from mmdet3d_act.datasets.packs import PackableDataset
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice

SOURCES = ('auto', 'txt', 'dat')
_FOLDER = 'modelnet40_normal_resampled'
_CLASSES = (
    'airplane bathtub bed bench bookshelf bottle bowl car chair cone cup '
    'curtain desk door dresser flower_pot glass_box guitar keyboard lamp '
    'laptop mantel monitor night_stand person piano plant radio range_hood '
    'sink sofa stairs stool table tent toilet tv_stand vase wardrobe xbox'
)
CLASSES = tuple(_CLASSES.split())


@DATASETS.register_module()
class ModelNet40(PackableDataset):
    """ModelNet40: 9843 training and 2468 test clouds of 40 classes.

    It is read from the text files ``<class>/<name>.txt`` ("x,y,z,nx,ny,nz")
    or from the pickle of the published code
    (``modelnet40_train_8192pts_fps.dat``, farthest point order), whose
    unpickling is restricted to arrays. A ``.dat`` is read as a whole.

    Args:
        data_root: ``modelnet40_normal_resampled`` or the folder around it.
        split: ``'train'`` or ``'test'``.
        source: ``'txt'``, ``'dat'``, or ``'auto'``: the ``.dat`` where it
            exists, as in the published code.
        **kwargs: Arguments of `PackableDataset`.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=CLASSES,
        up_axis='y',
        normalization='unit_sphere',
    )
    SPLITS = ('train', 'test')
    LAYOUT = (
        f'{_FOLDER}/modelnet40_{{train,test}}.txt and <class>/<name>.txt '
        '("x,y,z,nx,ny,nz") beside them, or '
        'modelnet40_{train,test}_8192pts_fps.dat'
    )
    REMEDY = (
        'ModelNet40 is the archive modelnet40_normal_resampled that '
        'PointNet++ and Point-BERT use.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        source: str = 'auto',
        **kwargs: Any,
    ) -> None:
        check_choice('source', source, SOURCES)
        self.source = source
        super().__init__(data_root, split, **kwargs)

    @property
    def folder(self) -> str:
        """Name the folder that holds lists and points."""
        return self.inner_folder(_FOLDER)

    @property
    def list_file(self) -> str:
        """Name the file with the names of the split's clouds."""
        return os.path.join(self.folder, f'modelnet40_{self.split}.txt')

    @property
    def archive(self) -> str | None:
        """Name the ``.dat`` with all clouds; None where texts are read."""
        name = f'modelnet40_{self.split}_8192pts_fps.dat'
        path = os.path.join(self.folder, name)
        if self.source == 'auto':
            return path if os.path.isfile(path) else None
        return path if self.source == 'dat' else None

    def pack_name(self) -> str:
        """Name the pack, without suffix."""
        return f'modelnet40_{self.split}'

    def required(self) -> list[tuple[str, str]]:
        """Name the list of the split, or its ``.dat``."""
        if self.archive is not None:
            return [(f'the clouds of the {self.split} split', self.archive)]
        return [(f'the list of the {self.split} split', self.list_file)]

    def list_samples(self) -> list[dict]:
        """List file, split and class of every cloud."""
        classes = list(self._metainfo['classes'])
        if self.archive is not None:
            clouds, labels = read_dat(self.archive)
            return self.list_archive(clouds, labels, fps_ordered=True)
        names = read_lines(self.list_file)
        unknown = [name for name in names if _class_of(name) not in classes]
        if unknown:
            raise ValueError(
                f'{self.list_file}: {unknown[0]!r} is of none of the 40 '
                'classes; use PointFolder for others'
            )
        return [
            dict(
                lidar_path=os.path.join(
                    self.folder, _class_of(name), f'{name}.txt'
                ),
                split=self.split,
                gt_label=classes.index(_class_of(name)),
                category=_class_of(name),
            )
            for name in names
        ]


def _class_of(name: str) -> str:
    return name.rpartition('_')[0]


def read_dat(path: str) -> tuple[list[np.ndarray], list[int]]:
    """Read a ``.dat`` of the published code, a pickled [clouds, labels].

    Returns:
        A list of arrays (N, 3 + F), and as many labels.
    """
    content: Any = read_arrays_pickle(path)
    with reading(path, 'a Python pickle of [arrays, labels]'):
        clouds, labels = content
        pairs = [
            (np.asarray(cloud), int(np.asarray(label).item()))
            for cloud, label in zip(clouds, labels, strict=True)
        ]
    return [cloud for cloud, _ in pairs], [label for _, label in pairs]


# The published code has the underscore, its documentation does not.
_FOLD_FOLDERS = ('{way}way_{shot}shot', '{way}way{shot}shot')


@DATASETS.register_module()
class ModelNetFewShot(PointCloudDataset):
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

    Source: Sharma & Kaul 2020, Self-supervised few-shot learning on point
    clouds; the folds are Point-BERT's.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='y', normalization='unit_sphere'
    )
    SPLITS = ('train', 'test')
    LAYOUT = (
        '{5,10}way_{10,20}shot/{0..9}.pkl, pickles of dict(train=[(points, '
        'label, class), ...], test=[...])'
    )
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
        **kwargs: Any,
    ) -> None:
        check_episode(way, shot, fold)
        self.way = way
        self.shot = shot
        self.fold = fold
        super().__init__(data_root, split, **kwargs)

    @property
    def archive(self) -> str:
        """Name the file of the fold."""
        paths = [
            os.path.join(
                self.data_root,
                folder.format(way=self.way, shot=self.shot),
                f'{self.fold}.pkl',
            )
            for folder in _FOLD_FOLDERS
        ]
        return next(filter(os.path.isfile, paths), paths[0])

    def required(self) -> list[tuple[str, str]]:
        """Name the file of the fold."""
        return [('its fold', self.archive)]

    def list_samples(self) -> list[dict]:
        """List number in the fold, split and class of every cloud."""
        clouds, labels, names = read_fold(self.archive, self.way, self.split)
        self._metainfo['classes'] = names
        return self.list_archive(clouds, labels)


def read_fold(
    path: str, way: int, split: str
) -> tuple[list[np.ndarray], list[int], tuple[str, ...]]:
    """Read a split of a fold such as ``5way_10shot/0.pkl``.

    Returns:
        Arrays (N, 3 + F), as many labels, and the name of each label's class,
        'class 0' and so on where the file does not tell.
    """
    content: Any = read_arrays_pickle(path)
    clouds, labels = [], []
    with reading(path, 'a Python pickle of (points, label, class) by split'):
        for points, label, *_ in content[split]:
            clouds.append(np.asarray(points, np.float32))
            labels.append(_to_int(label))
        # Both splits number the same classes.
        pairs = {
            (_to_int(label), _to_int(*number) if number else None)
            for part in ModelNetFewShot.SPLITS
            for _, label, *number in content[part]
        }
        wanted = list(range(way))
        if wanted != sorted(set(labels)) or wanted != sorted(
            label for label, _ in pairs
        ):
            raise ValueError(
                f'expected the labels {wanted}, each of one class in train '
                f'and test, got (label, class) {sorted(pairs, key=str)}'
            )
    names = dict(enumerate(CLASSES))
    return (
        clouds,
        labels,
        tuple(names.get(n, f'class {label}') for label, n in sorted(pairs)),
    )


def _to_int(value: object) -> int:
    # Published files have NumPy's integers; 0.5 and 'a' are refused.
    return operator.index(np.asarray(value).item())
