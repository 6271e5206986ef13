"""Scans of one's own, file by file, as detectors and segmentors read them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from mmdet3d_act.datasets.base import build_transforms
from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    BadSampleError,
    read_cloud,
)
from mmdet3d_act.datasets.readers.scenes import read_scene_points
from mmdet3d_act.datasets.seeding import RngKey, seeded, static_stream

ROWS_SUFFIX = '.bin'
SUFFIXES = (*POINT_FILE_SUFFIXES, ROWS_SUFFIX)
# Percentile of the heights that is the floor; a few points are below it.
_FLOOR = 0.99


class SceneFiles(Dataset):
    """Point files without annotations, each a scene in metres, z up.

    By default a scene is moved to where those of ScanNet are once they are
    aligned: the middle of its extent along x and y becomes 0, and so does the
    floor. Random choices of the pipeline are the same on every access, and for
    a file whatever stands beside it.

    Args:
        files: Files of any suffix of `read_points`, or ``.bin``, rows of
            float32 without a header.
        pipeline: Transforms that begin with `LoadPointCloud` and end with
            `PackPointInputs`.
        num_columns: Numbers of a row of ``.bin`` files; ScanNet's have 6.
        place: Whether scenes are moved.
        metainfo: What is known of the data that the model was trained with:
            ``classes`` and ``palette``.

    Raises:
        ValueError: If there is no file at all, one has another suffix, or
            ``num_columns`` is below 3.

    Example:
        >>> np.save('scan.npy', np.random.rand(5000, 3) * 4)
        >>> pipeline = [dict(type='LoadPointCloud'),
        ...             dict(type='PackPointInputs')]
        >>> SceneFiles(['scan.npy'], pipeline)[0]['inputs']['points'].shape
        torch.Size([5000, 3])
    """

    def __init__(
        self,
        files: Sequence[str | os.PathLike],
        pipeline: Sequence[dict | Callable],
        *,
        num_columns: int = 6,
        place: bool = True,
        metainfo: dict | None = None,
    ) -> None:
        self.files = [os.fspath(file) for file in files]
        for file in self.files:
            if not file.lower().endswith(SUFFIXES):
                raise ValueError(
                    f'expected files ending in one of {SUFFIXES}, got {file}; '
                    'convert it, for example to .ply'
                )
        if not any(map(os.path.isfile, self.files)):
            raise ValueError(
                f'expected at least one file that exists, got {self.files}'
            )
        if num_columns < 3:
            raise ValueError(
                f'num_columns must be >= 3 (x, y, z, ...), got {num_columns}'
            )
        self.pipeline = Compose(build_transforms(pipeline))
        self.num_columns = num_columns
        self.place = place
        self.metainfo = dict(metainfo or {})

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    def __getitem__(self, index: int) -> dict:
        """Load a scene, packed; its sample has ``origin``.

        That is where the file's own coordinates have what is 0 now, (3,),
        float64, metres.

        Raises:
            BadSampleError: If the file is missing, or cannot be used.
        """
        file = self.files[index]
        if not os.path.isfile(file):
            raise BadSampleError(file, 'does not exist, or is no file')
        offset = np.zeros(3)
        if file.lower().endswith(ROWS_SUFFIX):
            remedy = 'say how many numbers a row has (--columns)'
            rows = read_scene_points(file, self.num_columns, remedy=remedy)
        else:
            rows, offset = read_cloud(file)
        origin = np.zeros(3, np.float32)
        if self.place:
            origin += (rows[:, :3].min(0) + rows[:, :3].max(0)) / 2
            origin[2] = np.percentile(rows[:, 2], _FLOOR)
        rows[:, :3] -= origin
        key = RngKey(0, 0, 0)
        results = dict(
            lidar_path=file,
            sample_idx=index,
            raw_points=rows,
            # Segmentors and detectors of ScanNet align scenes by it.
            axis_align_matrix=np.eye(4, dtype=np.float32),
            rng_key=key,
        )
        with seeded(static_stream(key)):
            packed = self.pipeline(results)
        packed['data_samples'].set_metainfo(dict(origin=offset + origin))
        return packed
