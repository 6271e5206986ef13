"""Reading a sample's point cloud."""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    check_points,
    read_points,
)
from mmdet3d_act.registry import TRANSFORMS

COORD_TYPES = ('DEPTH', 'LIDAR', 'CAMERA')


@TRANSFORMS.register_module()
class LoadPointCloud(BaseTransform):
    """Reads ``lidar_path`` (.npy, .npz, .txt, .ply) into ``points``.

    Unlike MMDetection3D's `LoadPointsFromFile` it reads the header of a
    ``.npy`` file as a header. A data set that holds its arrays in memory
    puts one into ``raw_points``, which is then taken instead of the file.

    Args:
        use_dim: Number of leading columns to keep: the 3 coordinates, and
            more for features.
        coord_type: Type of MMDetection3D's points, 'DEPTH', 'LIDAR' or
            'CAMERA', which its own transforms look at.
        npz_key: Name of the array in an ``.npz`` file; None takes the only
            one, or ``points``.

    Raises:
        ValueError: If ``use_dim`` is below 3 or ``coord_type`` unknown.

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
    ) -> None:
        if use_dim < 3:
            raise ValueError(f'use_dim must be >= 3, got {use_dim}')
        if coord_type not in COORD_TYPES:
            raise ValueError(
                f'coord_type must be one of {COORD_TYPES}, got {coord_type!r}'
            )
        self.use_dim = use_dim
        self.coord_type = coord_type
        self.npz_key = npz_key

    def transform(self, results: dict) -> dict:
        """Return the sample with its points.

        Args:
            results: With ``lidar_path``, or ``raw_points`` (N, 3 + F).

        Returns:
            The sample with ``points``, `BasePoints` of shape (N, use_dim).

        Raises:
            BadSampleError: If the file is missing, unreadable, empty, not
                finite, or has fewer columns than ``use_dim``.
        """
        from mmdet3d.structures.points import get_points_type

        path = results['lidar_path']
        if 'raw_points' in results:
            points = check_points(results.pop('raw_points'), path)
        else:
            points = read_points(path, self.npz_key)
        if points.shape[1] < self.use_dim:
            raise BadSampleError(
                path,
                f'expected at least {self.use_dim} columns (use_dim), got '
                f'{points.shape[1]}',
            )
        points = torch.from_numpy(points[:, : self.use_dim].copy())
        results['points'] = get_points_type(self.coord_type)(
            points, points_dim=self.use_dim
        )
        return results
