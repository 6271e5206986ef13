"""ScanObjectNN, as its HDF5 files are published."""

from __future__ import annotations

import os
from typing import ClassVar

import numpy as np

from mmdet3d_act.datasets.archived import ArchivedCloudsMixin
from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.registry import DATASETS

# Folder, and the ending of the file's name.
VARIANTS = dict(
    objbg=('main_split', ''),
    objonly=('main_split_nobg', ''),
    hardest=('main_split', '_augmentedrot_scale75'),
)
_PARTS = dict(train='training', test='test')
_FOLDER = 'h5_files'
_CLASSES = (
    'bag bin box cabinet chair desk display door shelf table bed pillow sink '
    'sofa toilet'
)
_LAYOUT = (
    'main_split/{training,test}_objectdataset.h5 (OBJ_BG), '
    'main_split_nobg/{training,test}_objectdataset.h5 (OBJ_ONLY) and '
    'main_split/{training,test}_objectdataset_augmentedrot_scale75.h5 '
    '(PB_T50_RS), each with data (S, 2048, 3) and label (S,)'
)


@DATASETS.register_module()
class ScanObjectNN(ArchivedCloudsMixin, PointCloudDataset):
    """ScanObjectNN: scanned objects of 15 classes, 2048 points each.

    OBJ_BG and OBJ_ONLY have 2309 training and 581 test clouds, PB_T50_RS
    11416 and 2882. A file is read as a whole. The published training takes
    coordinates as they are stored, so ``normalization`` is 'none'; with
    `NormalizeToUnitSphere` in a pipeline set it to 'unit_sphere'.

    Args:
        data_root: Folder with ``main_split`` and ``main_split_nobg``, or
            with ``h5_files`` around them.
        split: ``'train'`` or ``'test'``.
        variant: ``'objbg'``: objects with background (OBJ_BG).
            ``'objonly'``: without (OBJ_ONLY). ``'hardest'``: with background,
            moved by up to half of their size, turned and scaled (PB_T50_RS).
        **kwargs: Arguments of `PointCloudDataset`.

    Raises:
        ValueError: If ``variant`` is unknown.

    Example:
        >>> pipeline = [dict(type='LoadPointCloud')]
        >>> data = ScanObjectNN('data/ScanObjectNN', 'test', pipeline=pipeline)
        >>> data[0]['points'].shape
        torch.Size([2048, 3])

    Source: Uy et al. 2019, Revisiting point cloud classification.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=tuple(_CLASSES.split()), up_axis='y', normalization='none'
    )
    SPLITS = tuple(_PARTS)
    REMEDY = (
        'ScanObjectNN is the archive h5_files of its project, '
        'https://hkust-vgd.github.io/scanobjectnn.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        variant: str = 'hardest',
        **kwargs: object,
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(
                f'variant must be one of {tuple(VARIANTS)}, got {variant!r}'
            )
        self.variant = variant
        super().__init__(data_root, split, **kwargs)

    @property
    def h5_file(self) -> str:
        """Return the file of the split."""
        folder, ending = VARIANTS[self.variant]
        inner = os.path.join(self.data_root, _FOLDER)
        root = inner if os.path.isdir(inner) else self.data_root
        name = f'{_PARTS[self.split]}_objectdataset{ending}.h5'
        return os.path.join(root, folder, name)

    def pack_name(self, split: str | None) -> str:
        """Return the name of a split's pack, without suffix.

        Args:
            split: The split.

        Returns:
            The name; each variant has its own.
        """
        return f'scanobjectnn-{self.variant}_{split}'

    def find_problems(self) -> list[str]:
        """Return what of the layout is missing.

        Returns:
            Messages with the expected path and the remedy.
        """
        if os.path.isfile(self.h5_file):
            return []
        what = f'the {self.split} clouds of {self.variant!r}'
        return [self.describe_missing(what, self.h5_file, _LAYOUT)]

    def list_samples(self) -> list[dict]:
        """Return number in the file, split and class of every cloud.

        Returns:
            One dict per sample.
        """
        clouds, labels = read_h5_clouds(self.h5_file)
        classes = self._metainfo['classes']
        return self.list_archive(self.h5_file, clouds, labels, classes)


def read_h5_clouds(path: str) -> tuple[np.ndarray, list[int]]:
    """Return clouds and labels of an HDF5 file such as ScanObjectNN's.

    Args:
        path: File with ``data`` (S, N, 3 + F) and ``label`` (S,) or (S, 1).
            What else it holds, such as ``mask``, is not read.

    Returns:
        Clouds (S, N, 3 + F), float32, and S labels.

    Raises:
        ValueError: If the file is no HDF5 file, is truncated, or does not
            hold these arrays.
    """
    import h5py

    arrays = {}
    try:
        with h5py.File(path, 'r') as file:
            for name in ('data', 'label'):
                if not isinstance(file.get(name), h5py.Dataset):
                    raise ValueError(
                        f'{path}: expected the arrays data and label, it has '
                        f'{sorted(file)}'
                    )
                arrays[name] = file[name][()]
    except OSError as error:
        raise ValueError(
            f'{path}: expected an HDF5 file, it is damaged or something '
            f'else: {error}; get it again'
        ) from error
    data, label = arrays['data'], arrays['label']
    if data.ndim != 3 or data.shape[2] < 3 or data.dtype.kind not in 'fiu':
        raise ValueError(
            f'{path}: expected data to be numbers of shape (clouds, points, '
            f'3 or more), got {data.dtype} {data.shape}'
        )
    count = len(data)
    if label.shape not in ((count,), (count, 1)) or label.dtype.kind not in (
        'iu'
    ):
        raise ValueError(
            f'{path}: expected label to be {count} whole numbers, one per '
            f'cloud, got {label.dtype} {label.shape}'
        )
    return data.astype(np.float32, copy=False), label.reshape(-1).tolist()
