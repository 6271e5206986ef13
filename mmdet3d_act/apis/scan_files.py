"""Scans of one's own: read as a model reads them, written with results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from mmdet3d_act.datasets import PointFolder
from mmdet3d_act.datasets.base import build_transforms
from mmdet3d_act.datasets.orientation import KNOWN_AXES
from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    BadSampleError,
    PointCloud,
    read_cloud,
)
from mmdet3d_act.datasets.readers.scenes import (
    place_scan,
    read_scene_points,
)
from mmdet3d_act.datasets.seeding import RngKey, seeded, static_stream
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.visualization import write_ply
from mmdet3d_act.visualization.arrays import turned

ROWS_SUFFIX = '.bin'
SUFFIXES = (*POINT_FILE_SUFFIXES, ROWS_SUFFIX)
LAS_SUFFIXES = ('.las', '.laz')


class ScanFiles(Dataset):
    """Point files without annotations, as a config's model is tested.

    Scenes are moved to where those of ScanNet are once they are aligned: the
    middle of the extent along x and y becomes 0, and so does the floor.
    Random choices of the pipeline are the same on every access, and for a
    file whatever stands beside it.

    Args:
        files: Files of any suffix of `read_points`, or ``.bin``, rows of
            float32 without a header.
        pipeline: Transforms that begin with `LoadPointCloud` and end with
            `PackPointInputs`.
        num_columns: Numbers of a row of ``.bin`` files; ScanNet's have 6.
        place: Whether clouds are moved.
        up_axis: Of the files; None is z of laser scans, y of glTF, and for
            others that of the model's data.
        scale: What their coordinates are multiplied with, above 0.
        metainfo: What is known of the data that the model was trained with:
            ``classes``, ``palette`` and ``up_axis``.

    Raises:
        ValueError: If there is no file at all, one has another suffix, or
            the scale is not above 0.

    Example:
        >>> np.save('scan.npy', np.random.rand(5000, 3) * 4)
        >>> pipeline = [dict(type='LoadPointCloud'),
        ...             dict(type='PackPointInputs')]
        >>> ScanFiles(['scan.npy'], pipeline)[0]['inputs']['points'].shape
        torch.Size([5000, 3])
    """

    def __init__(
        self,
        files: Sequence[str | os.PathLike],
        pipeline: Sequence[dict | Callable],
        *,
        num_columns: int = 6,
        place: bool = True,
        up_axis: str | None = None,
        scale: float = 1.0,
        metainfo: dict | None = None,
    ) -> None:
        check_scale(scale)
        self.files = [os.fspath(file) for file in files]
        for file in self.files:
            if not file.lower().endswith(SUFFIXES):
                raise ValueError(
                    f'expected files ending in one of {SUFFIXES}, got {file}; '
                    'convert it, for example to .ply'
                )
        self.pipeline = Compose(build_transforms(pipeline))
        self.num_columns = num_columns
        self.place = place
        self.scale = scale
        self.metainfo = {'up_axis': 'z', **(metainfo or {})}
        self.up_axis = up_axis

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    def __getitem__(self, index: int) -> dict:
        """Load a scan, packed; its sample has ``origin``.

        That is where the scan, turned and scaled, has what is 0 now, (3,),
        float64; see :meth:`to_file`.

        Raises:
            BadSampleError: If the file is missing, or cannot be used.
        """
        rows, offset, names = self.read(index)
        order = self._order(self.files[index])
        origin = place_scan(
            rows,
            names,
            order,
            scale=self.scale,
            up_axis=self.metainfo['up_axis'],
            to_origin=self.place,
        )
        key = RngKey(0, 0, 0)
        results = dict(
            lidar_path=self.files[index],
            sample_idx=index,
            raw_points=rows,
            column_names=names,
            # Says of points that are sampled where they are in the file.
            pts_instance_mask=np.arange(len(rows)),
            # Segmentors and detectors of ScanNet align scenes by it.
            axis_align_matrix=np.eye(4, dtype=np.float32),
            rng_key=key,
        )
        with seeded(static_stream(key)):
            packed = self.pipeline(results)
        moved = offset[order] * self.scale + origin
        packed['data_samples'].set_metainfo(dict(origin=moved))
        return packed

    def read(self, index: int) -> PointCloud:
        """Read all columns of a file."""
        file = self.files[index]
        if not os.path.isfile(file):
            raise BadSampleError(file, 'does not exist, or is no file')
        if file.lower().endswith(ROWS_SUFFIX):
            remedy = 'say how many numbers a row has (--columns)'
            rows = read_scene_points(file, self.num_columns, remedy=remedy)
            return PointCloud(rows, np.zeros(3))
        return read_cloud(file)

    def to_file(
        self, places: np.ndarray, origin: np.ndarray | float, file: str
    ) -> np.ndarray:
        """Bring what a model says into the coordinates of a file.

        Args:
            places: (n, 3), as the model has read them.
            origin: Of the sample; 0 for sizes.
            file: The file.

        Returns:
            (n, 3), float64.
        """
        moved = (places.astype(np.float64) + origin) / self.scale
        return moved[:, np.argsort(self._order(file))]

    def _order(self, file: str) -> list[int]:
        """Tell the columns that turn a file as the model's data are."""
        wanted = self.metainfo['up_axis']
        axis = self.up_axis or KNOWN_AXES.get(Path(file).suffix.lower())
        return turned(axis or wanted, wanted)


def list_files(path: str | Path) -> list[str]:
    """List the clouds of a folder; a file is listed alone.

    Args:
        path: The folder, or a file.

    Raises:
        UsageError: If a folder does not exist, or has no clouds.
    """
    path = Path(path).expanduser()
    if not path.exists() and not path.suffix:
        raise UsageError(f'{path}: no such file or folder')
    if not path.is_dir():
        return [str(path)]
    files = PointFolder(str(path), lazy_init=True).files
    if not files:
        raise UsageError(f'{path} has no clouds that can be read')
    return [str(path / file) for file in files]


def name_outputs(inputs: Sequence[str | Path]) -> dict[str, str]:
    """Name the output of each file, without suffix.

    It is the path in the folder that was given, with its suffix, as two files
    may differ in that alone.

    Args:
        inputs: Files and folders.

    Raises:
        UsageError: If two files would have the same output.
    """
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for given in inputs:
        path = Path(given).expanduser()
        for file in list_files(path):
            parts = Path(file).relative_to(
                path if path.is_dir() else path.parent
            )
            name = str(parts)
            if len(inputs) > 1 and path.is_dir():
                name = str(Path(path.resolve().name) / parts)
            if taken.setdefault(name, file) != file:
                raise UsageError(
                    f'{taken[name]} and {file} would have the same results, '
                    f'{name}; give a folder that both are in, or two calls'
                )
            found[file] = name
    return found


def check_scale(scale: float) -> None:
    """Refuse a scale that mirrors clouds, or makes nothing of them.

    Args:
        scale: What coordinates are multiplied with.

    Raises:
        ValueError: If it is not above 0, or not finite.
    """
    if not 0 < scale < np.inf:
        raise ValueError(f'scale must be > 0 and finite, got {scale}')


def file_rows(file: str | os.PathLike) -> np.ndarray:
    """Read the coordinates of a file, (N, 3), float64, as they are in it.

    Args:
        file: Of any suffix of `read_points`.
    """
    rows, offset, _ = read_cloud(os.fspath(file))
    return rows[:, :3] + offset


def write_scan(
    stem: str | Path,
    file: str | os.PathLike,
    *,
    points: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    colors: np.ndarray | None = None,
) -> Path:
    """Write a copy of a scan with labels or colours; return its path.

    Of a LAS or LAZ file it is a ``.laz`` with all of its dimensions, whose
    ``classification`` and colours are replaced; of others a ``.ply`` with
    float64 coordinates.

    Args:
        stem: Path of the copy, without suffix.
        file: The scan.
        points: (N, 3), its coordinates; read from the file by default.
        labels: (N,), integers >= 0.
        colors: (N, 3) in [0, 1].
    """
    Path(stem).parent.mkdir(parents=True, exist_ok=True)
    if os.fspath(file).lower().endswith(LAS_SUFFIXES):
        return _write_las(Path(f'{stem}.laz'), file, labels, colors)
    points = file_rows(file) if points is None else points
    return write_ply(points, f'{stem}.ply', colors, labels)


def _write_las(
    path: Path,
    file: str | os.PathLike,
    labels: np.ndarray | None,
    colors: np.ndarray | None,
) -> Path:
    import laspy

    scan = laspy.read(file)
    old = scan.point_format.id
    # Classes from 32 on, and colours, are not in the first formats.
    has_colors = {'red', 'green', 'blue'} <= set(
        scan.point_format.dimension_names
    )
    if colors is not None and not has_colors:
        scan = laspy.convert(scan, point_format_id=7 if old >= 6 else 3)
    if labels is not None:
        if labels.max() > 31 and scan.point_format.id < 6:
            scan = laspy.convert(scan, point_format_id=7)
        scan.classification = labels.astype(np.uint8)
    if colors is not None:
        tints = np.round(65535 * colors).astype(np.uint16)
        scan.red, scan.green, scan.blue = tints.T
    scan.write(path)
    return path
