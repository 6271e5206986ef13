"""Making the cloud of an RGB-D frame."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import VideoFrame, open_scene
from mmdet3d_act.datasets.readers.projection import (
    back_project,
    check_intrinsic,
    is_rigid,
    transform,
)
from mmdet3d_act.registry import TRANSFORMS

# Up axis of the clouds, by the coordinates.
COORDINATES = dict(camera='y', world='z')
_USE_DIMS = (3, 6)
# From x right, y down, z forward to x right, y up, z towards the viewer.
_Y_UP = np.diag([1.0, -1.0, -1.0, 1.0])


def load_frame(results: dict) -> VideoFrame:
    """Return the frame of a sample.

    Args:
        results: With ``scene_path`` and ``frame_place``.

    Raises:
        BadSampleError: If its scene cannot be read.
    """
    return open_scene(results['scene_path']).frame(results['frame_place'])


@TRANSFORMS.register_module()
class LoadFrame(BaseTransform):
    """Makes the cloud of a frame out of its depth.

    Points without depth and points that the colour image does not show are
    left out.

    Args:
        coordinates: ``'camera'``: x right, y up, z towards the viewer, the
            origin at the camera, so that clouds are upright as far as the
            camera is held level. ``'world'``: the scene's, z up.
        min_depth: Smallest distance along the optical axis, metres.
        max_depth: Largest one; ``math.inf`` takes all.
        min_points: A frame with fewer points cannot be used.
        use_dim: 3: coordinates. 6: also red, green and blue from 0 to 255.

    Raises:
        ValueError: If an argument is not one of these.

    Example:
        >>> results = LoadFrame()(dataset.get_data_info(0))
        >>> results['points'].shape, results['pixels'].shape
        (torch.Size([273042, 3]), (273042, 2))
    """

    def __init__(
        self,
        coordinates: str = 'camera',
        *,
        min_depth: float = 0.1,
        max_depth: float = 10.0,
        min_points: int = 64,
        use_dim: int = 3,
    ) -> None:
        if coordinates not in COORDINATES:
            raise ValueError(
                f'coordinates must be one of {tuple(COORDINATES)}, got '
                f'{coordinates!r}'
            )
        if not 0 <= min_depth < max_depth:
            raise ValueError(
                'expected 0 <= min_depth < max_depth (metres), got '
                f'{min_depth} and {max_depth}'
            )
        if min_points < 1:
            raise ValueError(f'min_points must be >= 1, got {min_points}')
        if use_dim not in _USE_DIMS:
            raise ValueError(
                f'use_dim must be one of {_USE_DIMS}, got {use_dim}'
            )
        self.coordinates = coordinates
        self.depth_range = min_depth, max_depth
        self.min_points = min_points
        self.use_dim = use_dim

    def transform(self, results: dict) -> dict:
        """Return the sample with its cloud.

        Args:
            results: A frame's information as `ScanNetFrames` gives it.

        Returns:
            The sample with ``points`` (N, use_dim), metres; ``pixels``
            (N, 2), float32: where the colour image shows each point, as
            fractions of its width and height; ``image_shape``, height and
            width of the colour image.

        Raises:
            BadSampleError: If a file cannot be used, the pose is no motion,
                or there are too few points.
            ValueError: If the image was prepared before.
        """
        from mmdet3d.structures.points import DepthPoints

        if 'images' in results:
            raise ValueError(
                'LoadFrame came after PrepareImage, which has to know the '
                'pixels of the points; put it before'
            )
        frame = load_frame(results)
        shape = frame.color_shape()
        coords, pixels = self._back_project(frame, shape)
        color = None
        if self.use_dim == 6:
            results['image'] = frame.color()
            columns, rows = (pixels * (shape[1], shape[0])).astype(int).T
            coords = np.concatenate(
                [coords, results['image'][rows, columns]], axis=1
            )
            color = dict(color=[3, 4, 5])
        results['points'] = DepthPoints(
            torch.from_numpy(coords.astype(np.float32)),
            points_dim=self.use_dim,
            attribute_dims=color,
        )
        results['pixels'] = pixels
        results['image_shape'] = shape
        return results

    def _back_project(
        self, frame: VideoFrame, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return points in the wanted coordinates, and their pixels."""
        depth, calibration = frame.depth(), frame.calibration
        check_intrinsic(
            calibration.color_intrinsic, shape, frame.name, 'colour image'
        )
        check_intrinsic(
            calibration.depth_intrinsic, depth.shape, frame.name, 'depth image'
        )
        points, pixels = back_project(
            depth, calibration, shape, self.depth_range
        )
        if len(points) < self.min_points:
            raise BadSampleError(
                frame.name,
                f'expected at least {self.min_points} points from '
                f'{self.depth_range[0]} to {self.depth_range[1]} m that its '
                f'colour image shows, got {len(points)}',
            )
        to_wanted = _Y_UP
        if self.coordinates == 'world':
            to_wanted = frame.pose()
            if not is_rigid(to_wanted):
                raise BadSampleError(
                    frame.name,
                    'expected a pose that is a rotation and a translation, '
                    f'got {to_wanted.round(3).tolist()}',
                )
        return transform(points, to_wanted), pixels
