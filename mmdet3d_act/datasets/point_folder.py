"""A folder of point files as a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers import POINT_FILE_SUFFIXES
from mmdet3d_act.registry import DATASETS

_LAYOUT = (
    '.npy, .npz, .txt or .ply files in the folder and its sub-folders; with '
    'a split, in <split>/; with classes, in a sub-folder per class'
)


@DATASETS.register_module()
class PointFolder(PointCloudDataset):
    """The point files of a folder, with or without splits and classes.

    Files are found in all sub-folders, in the order of their names.

    Args:
        data_root: The folder.
        split: ``'train'``, ``'val'`` or ``'test'``: the sub-folder of this
            name. ``'trainval'``: all of these sub-folders that exist. None:
            the folder itself, as one training set.
        classes: ``'folders'``: the sub-folders are the classes, numbered in
            the order of their names over all splits. A sequence of names:
            the classes in this order; another sub-folder is an error. None:
            no labels.
        up_axis: Axis that points up, 'x', 'y' or 'z'.
        normalization: What the clouds are after the pipeline.
        **kwargs: Arguments of `PointCloudDataset`.

    Raises:
        ValueError: If the split is unknown, or a file or folder does not fit
            the classes.

    Example:
        >>> pipeline = [dict(type='LoadPointCloud')]
        >>> data = PointFolder(
        ...     'data/real_shapes', 'train', classes='folders',
        ...     pipeline=pipeline)
        >>> data.metainfo['classes'][:2]
        ('airplane', 'bag')
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='y', normalization='unit_sphere'
    )
    SPLITS = (None, 'train', 'val', 'test', 'trainval')
    REMEDY = (
        "Set data_root in the data set's config to the folder with your "
        'clouds.'
    )

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        classes: str | Sequence[str] | None = None,
        up_axis: str = 'y',
        normalization: str = 'unit_sphere',
        **kwargs: object,
    ) -> None:
        if isinstance(classes, str) and classes != 'folders':
            raise ValueError(
                "classes must be 'folders', a sequence of names or None, "
                f'got {classes!r}'
            )
        self.has_classes = classes is not None
        lazy_init = kwargs.pop('lazy_init', False)
        super().__init__(
            data_root,
            split,
            up_axis=up_axis,
            normalization=normalization,
            lazy_init=True,
            **kwargs,
        )
        if classes == 'folders':
            classes = self._find_classes()
        self._metainfo['classes'] = tuple(classes or ())
        if not lazy_init:
            self.full_init()

    def _split_folders(self, split: str | None) -> dict[str, str]:
        """Return the folder of each split that is there."""
        if split is None:
            return {'train': self.data_root}
        parts = ('train', 'val', 'test') if split == 'trainval' else (split,)
        folders = {p: os.path.join(self.data_root, p) for p in parts}
        return {p: path for p, path in folders.items() if os.path.isdir(path)}

    def _find_classes(self) -> list[str]:
        """Return the sub-folders, of every split so that labels agree."""
        split = self.split if self.split is None else 'trainval'
        names = {
            entry.name
            for folder in self._split_folders(split).values()
            if os.path.isdir(folder)
            for entry in os.scandir(folder)
            if entry.is_dir()
        }
        return sorted(names)

    def find_problems(self) -> list[str]:
        """Return what of the layout is missing.

        Returns:
            Messages with the expected path and the remedy.
        """
        folders = self._split_folders(self.split)
        if folders and all(map(os.path.isdir, folders.values())):
            return []
        path = self.data_root
        if self.split not in (None, 'trainval'):
            path = os.path.join(path, self.split)
        return [self.describe_missing('a folder', path, _LAYOUT)]

    def list_samples(self) -> list[dict]:
        """Return file, split and, with classes, label of every cloud.

        Returns:
            One dict per sample.
        """
        samples = []
        for split, folder in self._split_folders(self.split).items():
            for path in _point_files(folder):
                sample = dict(lidar_path=path, split=split)
                if self.has_classes:
                    sample.update(self._label(path, folder))
                samples.append(sample)
        return samples

    def _label(self, path: str, folder: str) -> dict:
        classes = self._metainfo['classes']
        head, separator, _ = os.path.relpath(path, folder).partition(os.sep)
        if not separator or head not in classes:
            raise ValueError(
                f'{path} is in no class folder; expected it in a sub-folder '
                f'of {folder} named as one of {list(classes)}'
            )
        return dict(category=head, gt_label=classes.index(head))


def _point_files(folder: str) -> list[str]:
    found = [
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if os.path.splitext(name)[1].lower() in POINT_FILE_SUFFIXES
    ]
    return sorted(found)
