"""ModelNet40 and ModelNet10, as text files or packed."""

from __future__ import annotations

import os
from typing import ClassVar

from mmdet3d_act.datasets.archived import ArchivedCloudsMixin
from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.listing import describe_missing_files, read_lines
from mmdet3d_act.datasets.packed import load_packed
from mmdet3d_act.registry import DATASETS

SOURCES = ('auto', 'txt', 'packed')
VARIANTS = ('modelnet40', 'modelnet10')
_FOLDER = 'modelnet40_normal_resampled'
_CLASSES = (
    'airplane bathtub bed bench bookshelf bottle bowl car chair cone cup '
    'curtain desk door dresser flower_pot glass_box guitar keyboard lamp '
    'laptop mantel monitor night_stand person piano plant radio range_hood '
    'sink sofa stairs stool table tent toilet tv_stand vase wardrobe xbox'
)
_CLASSES_10 = (
    'bathtub bed chair desk dresser monitor night_stand sofa table toilet'
)


@DATASETS.register_module()
class ModelNet40(ArchivedCloudsMixin, PointCloudDataset):
    """ModelNet40: 9843 training and 2468 test clouds of 40 classes.

    It is read from the text files ``<class>/<name>.txt`` ("x,y,z,nx,ny,nz")
    or from the packed file of the published code
    (``modelnet40_train_8192pts_fps.dat``, farthest point order), whose
    unpickling is restricted to arrays. A packed file is read as a whole.

    Args:
        data_root: ``modelnet40_normal_resampled`` or the folder around it.
        split: ``'train'`` or ``'test'``.
        variant: ``'modelnet40'`` or ``'modelnet10'``, whose 10 classes have
            lists and files of their own in the same folder.
        source: ``'txt'``, ``'packed'``, or ``'auto'``: packed where the file
            exists, as in the published code.
        packed_points: Number in the packed file's name.
        **kwargs: Arguments of `PointCloudDataset`.

    Raises:
        ValueError: If ``variant`` or ``source`` is unknown.

    Example:
        >>> pipeline = [dict(type='LoadPointCloud')]
        >>> data = ModelNet40('data/ModelNet', 'test', pipeline=pipeline)
        >>> data[0]['gt_label']
        0
    """

    METAINFO: ClassVar[dict] = dict(
        classes=tuple(_CLASSES.split()),
        up_axis='y',
        normalization='unit_sphere',
    )
    SPLITS = ('train', 'test')
    REMEDY = (
        'ModelNet40 is the archive modelnet40_normal_resampled that '
        'PointNet++ and Point-BERT use.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        variant: str = 'modelnet40',
        source: str = 'auto',
        packed_points: int = 8192,
        **kwargs: object,
    ) -> None:
        for name, value, allowed in (
            ('variant', variant, VARIANTS),
            ('source', source, SOURCES),
        ):
            if value not in allowed:
                raise ValueError(
                    f'{name} must be one of {allowed}, got {value!r}'
                )
        self.variant = variant
        self.source = source
        self.packed_points = packed_points
        if variant == 'modelnet10':
            metainfo = dict(kwargs.pop('metainfo', None) or {})
            metainfo.setdefault('classes', tuple(_CLASSES_10.split()))
            kwargs['metainfo'] = metainfo
        super().__init__(data_root, split, **kwargs)

    @property
    def folder(self) -> str:
        """Return the folder that holds lists and points."""
        inner = os.path.join(self.data_root, _FOLDER)
        own = os.path.basename(self.data_root) == _FOLDER
        return self.data_root if own or not os.path.isdir(inner) else inner

    @property
    def list_file(self) -> str:
        """Return the file with the names of the split's clouds."""
        return os.path.join(self.folder, f'{self.variant}_{self.split}.txt')

    @property
    def packed_file(self) -> str:
        """Return the file with all clouds of the split."""
        name = f'{self.variant}_{self.split}_{self.packed_points}pts_fps.dat'
        return os.path.join(self.folder, name)

    @property
    def is_packed(self) -> bool:
        """Return whether the packed file is what is read."""
        if self.source == 'auto':
            return os.path.isfile(self.packed_file)
        return self.source == 'packed'

    def pack_name(self, split: str | None) -> str:
        """Return the name of a split's pack, without suffix.

        Args:
            split: The split.

        Returns:
            The name; each variant, and each explicit source, has its own.
        """
        name = f'{self.variant}_{split}'
        return name if self.source == 'auto' else f'{name}_{self.source}'

    def list_options(self) -> dict:
        """Return what the list depends on besides folder and split.

        Returns:
            Values that JSON can hold.
        """
        return super().list_options() | dict(packed_points=self.packed_points)

    def list_sources(self) -> list[str]:
        """Return the lists of clouds and of classes.

        Returns:
            Their paths.
        """
        return [self.list_file, self._class_file]

    @property
    def _class_file(self) -> str:
        return os.path.join(self.folder, f'{self.variant}_shape_names.txt')

    @property
    def _layout(self) -> str:
        return (
            f'{_FOLDER}/{self.variant}_{{train,test}}.txt and '
            f'{_FOLDER}/<class>/<name>.txt ("x,y,z,nx,ny,nz"), or '
            f'{_FOLDER}/{self.variant}_{{train,test}}_'
            f'{self.packed_points}pts_fps.dat'
        )

    def find_problems(self) -> list[str]:
        """Return what of the layout is missing.

        Returns:
            Messages with the expected path and the remedy.
        """
        wanted = self.packed_file if self.is_packed else self.list_file
        if not os.path.isfile(wanted):
            what = 'the packed clouds' if self.is_packed else 'the list'
            what += f' of the {self.split} split'
            return [self.describe_missing(what, wanted, self._layout)]
        if self.is_packed or self.on_error == 'skip':
            return []
        names = [
            f'{_class_of(name)}/{name}.txt'
            for name in read_lines(self.list_file)
        ]
        return describe_missing_files(type(self).__name__, self.folder, names)

    def list_samples(self) -> list[dict]:
        """Return file, split and class of every cloud.

        Returns:
            One dict per sample.
        """
        self._check_classes()
        return self._list_packed() if self.is_packed else self._list_txt()

    def _check_classes(self) -> None:
        path = self._class_file
        if not os.path.isfile(path):
            return
        names = read_lines(path)
        if names != list(self._metainfo['classes']):
            raise ValueError(
                f'{path} has {len(names)} classes that are not the '
                f'{len(self._metainfo["classes"])} of {self.variant} in '
                'their order; use PointFolder for another set of classes'
            )

    def _list_packed(self) -> list[dict]:
        clouds, labels = load_packed(self.packed_file)
        return self.list_archive(
            self.packed_file,
            clouds,
            labels,
            self._metainfo['classes'],
            fps_ordered=True,
        )

    def _list_txt(self) -> list[dict]:
        classes = self._metainfo['classes']
        samples = []
        for name in read_lines(self.list_file):
            category = _class_of(name)
            if category not in classes:
                raise ValueError(
                    f'{self.list_file}: {name!r} names the class '
                    f'{category!r}, which {self.variant} does not have'
                )
            samples.append(
                dict(
                    lidar_path=os.path.join(
                        self.folder, category, f'{name}.txt'
                    ),
                    split=self.split,
                    gt_label=classes.index(category),
                    category=category,
                )
            )
        return samples


def _class_of(name: str) -> str:
    return name.rpartition('_')[0]
