"""Reading a sample's point cloud."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    Cloud,
    check_cloud,
    check_labels,
    read_cloud,
)
from mmdet3d_act.registry import TRANSFORMS

COORD_TYPES = ('DEPTH', 'LIDAR', 'CAMERA')


@TRANSFORMS.register_module()
class LoadPointCloud(BaseTransform):
    """Reads ``lidar_path``, a file of any suffix of `read_points`.

    Unlike MMDetection3D's `LoadPointsFromFile` it reads the header of a
    ``.npy`` file as a header. A data set that holds its arrays, in memory or
    in a pack, puts one into ``raw_points``, which is then taken instead of
    the file.

    Args:
        use_dim: Number of leading columns to keep: the 3 coordinates, and
            more for features.
        coord_type: Type of MMDetection3D's points, 'DEPTH', 'LIDAR' or
            'CAMERA', which its own transforms look at.
        npz_key: Name of the array in an ``.npz`` file; None takes the only
            one, or ``points``.
        mesh_points: Number of points drawn on the surface of a mesh.
        ply_faces: Whether ``.ply`` files are meshes. False takes their
            vertices.
        mesh_per_epoch: Whether the points on a mesh are drawn anew in each
            epoch. False draws the same ones each time. Clouds that are read
            so cannot be packed.
        label_column: Column with a label per point, counted from 0. None
            reads no labels. What labels may be is up to the data set, which
            lists them in ``allowed_labels`` of a sample.

    Raises:
        ValueError: If ``use_dim`` is below 3, ``coord_type`` unknown,
            ``mesh_points`` below 1, or the labels are among the columns that
            ``use_dim`` keeps.

    Example:
        >>> load = LoadPointCloud()
        >>> load(dict(lidar_path='cloud.npy'))['points'].shape
        torch.Size([8192, 3])
    """

    def __init__(
        self,
        use_dim: int = 3,
        *,
        coord_type: str = 'DEPTH',
        npz_key: str | None = None,
        mesh_points: int = 8192,
        ply_faces: bool = False,
        mesh_per_epoch: bool = False,
        label_column: int | None = None,
    ) -> None:
        if use_dim < 3:
            raise ValueError(f'use_dim must be >= 3, got {use_dim}')
        if coord_type not in COORD_TYPES:
            raise ValueError(
                f'coord_type must be one of {COORD_TYPES}, got {coord_type!r}'
            )
        if mesh_points < 1:
            raise ValueError(f'mesh_points must be >= 1, got {mesh_points}')
        if label_column is not None and label_column < use_dim:
            raise ValueError(
                f'label_column must be >= use_dim ({use_dim}), so that labels '
                f'are no input, got {label_column}'
            )
        self.use_dim = use_dim
        self.coord_type = coord_type
        self.npz_key = npz_key
        self.mesh_points = mesh_points
        self.ply_faces = ply_faces
        self.mesh_per_epoch = mesh_per_epoch
        self.label_column = label_column

    @property
    def read_options(self) -> dict:
        """Return what decides, besides the file, which points are read."""
        return dict(
            npz_key=self.npz_key,
            mesh_points=self.mesh_points,
            ply_faces=self.ply_faces,
            mesh_per_epoch=self.mesh_per_epoch,
        )

    def read_arrays(self, results: dict) -> dict[str, np.ndarray]:
        """Return what a pack has to hold so that no file is opened.

        Args:
            results: With ``lidar_path``, or ``raw_points`` (N, 3 + F).

        Returns:
            ``raw_points`` (N, 3 + F), float32.

        Raises:
            BadSampleError: If the file cannot be used.
            ValueError: If the points of a mesh differ between epochs.
        """
        if self.mesh_per_epoch:
            raise ValueError(
                'mesh_per_epoch=True draws other points on a mesh in each '
                'epoch, a pack holds one draw; set it to False to pack'
            )
        return dict(raw_points=self._read(results).points)

    def _read(self, results: dict) -> Cloud:
        path = results['lidar_path']
        if 'raw_points' in results:
            return check_cloud(results['raw_points'], path, self.use_dim)
        rng: int | np.random.Generator = 0
        if self.mesh_per_epoch:
            # The data set seeds NumPy from (seed, epoch, index).
            seed = np.random.randint(2**32, size=4, dtype=np.uint32)
            rng = np.random.default_rng(seed)
        return read_cloud(
            path,
            self.npz_key,
            use_dim=self.use_dim,
            mesh_points=self.mesh_points,
            ply_faces=self.ply_faces,
            rng=rng,
        )

    def transform(self, results: dict) -> dict:
        """Return the sample with its points.

        Args:
            results: With ``lidar_path``, or ``raw_points`` (N, 3 + F).

        Returns:
            The sample with ``points``, `BasePoints` of shape (N, use_dim),
            and with a ``label_column`` ``pts_semantic_mask`` (N,), int64.
            Where the coordinates are too large for float32, ``offset`` (3,),
            float64, is what gives those of the file when it is added.

        Raises:
            BadSampleError: If the file is missing, unreadable, empty, not
                finite, has too few columns, or labels that are none.
        """
        from mmdet3d.structures.points import get_points_type

        points, offset = self._read(results)
        results.pop('raw_points', None)
        if offset.any():
            results['offset'] = offset
        self._check_width(points, results['lidar_path'])
        if self.label_column is not None:
            results['pts_semantic_mask'] = check_labels(
                points[:, self.label_column],
                results['lidar_path'],
                results.get('allowed_labels'),
            )
        points = torch.from_numpy(points[:, : self.use_dim].copy())
        results['points'] = get_points_type(self.coord_type)(
            points, points_dim=self.use_dim
        )
        return results

    def _check_width(self, points: np.ndarray, path: str) -> None:
        wanted, reason = self.use_dim, 'use_dim'
        if self.label_column is not None:
            wanted = self.label_column + 1
            reason = f'the labels are in column {wanted}'
        if points.shape[1] < wanted:
            raise BadSampleError(
                path,
                f'expected at least {wanted} columns ({reason}), got '
                f'{points.shape[1]}',
            )
