"""Reading rooms of S3DIS, whole or a block of them."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.rooms import Room, open_room
from mmdet3d_act.registry import TRANSFORMS

USE_DIMS = (3, 6, 9)
# Draws of a centre before a room counts as one without a block.
_MAX_DRAWS = 200


@TRANSFORMS.register_module()
class LoadRoom(BaseTransform):
    """Reads all points of the room ``lidar_path``.

    Args:
        use_dim: 3: coordinates. 6: also red, green and blue from 0 to 1. 9:
            also the coordinates from 0 to 1 over the room.
        num_classes: Number of labels.

    Raises:
        ValueError: If ``use_dim`` is none of these.

    Example:
        >>> rows = np.random.random((4096, 7)) * [3, 3, 2, 255, 255, 255, 0]
        >>> np.save('room.npy', rows)
        >>> LoadRoom()(dict(lidar_path='room.npy'))['points'].shape
        torch.Size([4096, 3])
    """

    def __init__(self, use_dim: int = 3, *, num_classes: int = 13) -> None:
        if use_dim not in USE_DIMS:
            raise ValueError(
                f'use_dim must be one of {USE_DIMS}, got {use_dim}'
            )
        self.use_dim = use_dim
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Return the sample with its points and their labels.

        Args:
            results: With ``lidar_path``.

        Returns:
            The sample with ``points`` (N, use_dim), metres, the room's
            smallest coordinates are 0, and ``pts_semantic_mask`` (N,), int64.

        Raises:
            BadSampleError: If the file cannot be used.
        """
        room = open_room(results['lidar_path'], self.num_classes)
        self._take(results, room, room.rows, np.zeros(3))
        return results

    def _take(
        self, results: dict, room: Room, rows: np.ndarray, origin: np.ndarray
    ) -> None:
        """Put rows of a room into a sample, relative to a place in it."""
        from mmdet3d.structures.points import DepthPoints

        coords = rows[:, :3] - room.low
        columns = [coords - origin]
        if self.use_dim >= 6:
            columns.append(rows[:, 3:6] / 255)
        if self.use_dim == 9:
            extent = room.high - room.low
            columns.append(coords / np.where(extent > 0, extent, 1))
        points = np.concatenate(columns, axis=1, dtype=np.float32)
        color = dict(color=[3, 4, 5]) if self.use_dim >= 6 else None
        results['points'] = DepthPoints(
            torch.from_numpy(points),
            points_dim=self.use_dim,
            attribute_dims=color,
        )
        results['pts_semantic_mask'] = rows[:, 6].astype(np.int64)


@TRANSFORMS.register_module()
class LoadRoomBlock(LoadRoom):
    """Reads points of a random block of the room ``lidar_path``.

    A point of the room, drawn at random, is the centre of a square column of
    the room's height; it is drawn again where the column holds too little.
    Of its points ``num_points`` are drawn, without replacement where there
    are enough. x and y become relative to the centre, z is the height above
    the room's lowest point.

    Args:
        num_points: Number of points.
        block_size: Side of the square, metres.
        min_points: A block has more than so many points.
        use_dim: As `LoadRoom` takes it.
        num_classes: Number of labels.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> rows = np.random.random((9000, 7)) * [2, 2, 2, 255, 255, 255, 0]
        >>> np.save('room.npy', rows)
        >>> LoadRoomBlock(512)(dict(lidar_path='room.npy'))['points'].shape
        torch.Size([512, 3])

    Source: ``S3DISDataset`` of the published code
    (``semantic_segmentation/dataset.py``).
    """

    def __init__(
        self,
        num_points: int,
        *,
        block_size: float = 1.0,
        min_points: int = 1024,
        use_dim: int = 3,
        num_classes: int = 13,
    ) -> None:
        super().__init__(use_dim, num_classes=num_classes)
        if num_points < 1 or block_size <= 0 or min_points < 0:
            raise ValueError(
                'expected num_points >= 1, block_size > 0 and min_points >= '
                f'0, got {num_points}, {block_size} and {min_points}'
            )
        self.num_points = num_points
        self.block_size = block_size
        self.min_points = min_points

    def transform(self, results: dict) -> dict:
        """Return the sample with the points of a block and their labels.

        Args:
            results: With ``lidar_path``.

        Returns:
            The sample with ``points`` (num_points, use_dim), metres, and
            ``pts_semantic_mask`` (num_points,), int64.

        Raises:
            BadSampleError: If the file cannot be used, or the room has no
                block with enough points.
        """
        path = results['lidar_path']
        room = open_room(path, self.num_classes)
        center, inside = self._draw_block(room, path)
        few = len(inside) < self.num_points
        chosen = np.random.choice(inside, self.num_points, replace=few)
        origin = np.array([*(center - room.low[:2]), 0.0])
        self._take(results, room, room.rows[chosen], origin)
        return results

    def _draw_block(
        self, room: Room, path: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the centre (2,) and the points of a block, as indices."""
        x, y = room.rows[:, 0], room.rows[:, 1]
        half = self.block_size / 2
        for _ in range(_MAX_DRAWS):
            row = np.random.randint(len(room.rows))
            center = room.rows[row, :2].astype(np.float64)
            low, high = center - half, center + half
            inside = np.flatnonzero((x >= low[0]) & (x <= high[0]))
            beside = y[inside]
            inside = inside[(beside >= low[1]) & (beside <= high[1])]
            if len(inside) > self.min_points:
                return center, inside
        raise BadSampleError(
            path,
            f'{_MAX_DRAWS} draws gave no block of {self.block_size} m with '
            f'more than {self.min_points} points (min_points); lower '
            'min_points, or leave out the room',
        )
