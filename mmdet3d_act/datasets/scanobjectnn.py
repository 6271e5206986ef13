"""ScanObjectNN, as its HDF5 files are published."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers.arrays import read_hdf5
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice

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


@DATASETS.register_module()
class ScanObjectNN(PointCloudDataset):
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

    Source: Uy et al. 2019, Revisiting point cloud classification.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=tuple(_CLASSES.split()), up_axis='y', normalization='none'
    )
    SPLITS = tuple(_PARTS)
    LAYOUT = (
        'main_split/{training,test}_objectdataset.h5 (OBJ_BG), '
        'main_split_nobg/{training,test}_objectdataset.h5 (OBJ_ONLY) and '
        'main_split/{training,test}_objectdataset_augmentedrot_scale75.h5 '
        '(PB_T50_RS), each with data (S, 2048, 3) and label (S,)'
    )
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
        **kwargs: Any,
    ) -> None:
        check_choice('variant', variant, tuple(VARIANTS))
        self.variant = variant
        super().__init__(data_root, split, **kwargs)

    @property
    def archive(self) -> str:
        """Name the file of the split."""
        folder, ending = VARIANTS[self.variant]
        name = f'{_PARTS[self.split]}_objectdataset{ending}.h5'
        return os.path.join(self.inner_folder(_FOLDER), folder, name)

    def required(self) -> list[tuple[str, str]]:
        """Name the file of the split."""
        what = f'the {self.split} clouds of {self.variant!r}'
        return [(what, self.archive)]

    def list_samples(self) -> list[dict]:
        """List number in the file, split and class of every cloud."""
        clouds, labels = read_h5_clouds(self.archive)
        return self.list_archive(list(clouds), labels)


def read_h5_clouds(path: str) -> tuple[np.ndarray, list[int]]:
    """Read an HDF5 file with ``data`` (S, N, 3 + F) and ``label`` (S,).

    A label may have an axis of length 1. What else is there, such as
    ``mask``, is not read.

    Returns:
        Clouds (S, N, 3 + F), float32, and S labels.
    """
    arrays = read_hdf5(path, ('data', 'label'))
    data, label = arrays['data'], arrays['label']
    sound = (
        data.ndim == 3
        and data.shape[2] >= 3
        and data.dtype.kind in 'fiu'
        and label.shape in ((len(data),), (len(data), 1))
        and label.dtype.kind in 'iu'
    )
    if not sound:
        raise ValueError(
            f'{path}: expected data (clouds, points, 3 or more) and a whole '
            f'number in label for each cloud, got {data.dtype} {data.shape} '
            f'and {label.dtype} {label.shape}'
        )
    return data.astype(np.float32, copy=False), label.reshape(-1).tolist()
