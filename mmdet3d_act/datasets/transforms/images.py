"""Frames of RGB-D videos and renders: their clouds and their images."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    depth_and_pose,
    read_calibration,
    read_matrix,
)
from mmdet3d_act.datasets.readers.images import (
    read_depth_image,
    read_image,
    read_image_size,
)
from mmdet3d_act.datasets.readers.projection import (
    back_project,
    check_intrinsic,
    is_rigid,
    transform,
)
from mmdet3d_act.registry import TRANSFORMS
from mmdet3d_act.text import check_choice, check_least

# Up axis of the clouds, by the coordinates.
COORDINATES = dict(camera='y', world='z')
CROPS = ('center', 'squash')
# From x right, y down, z forward to x right, y up, z towards the viewer.
_Y_UP = np.diag([1.0, -1.0, -1.0, 1.0])


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
    ) -> None:
        check_choice('coordinates', coordinates, tuple(COORDINATES))
        if not 0 <= min_depth < max_depth:
            raise ValueError(
                'expected 0 <= min_depth < max_depth (metres), got '
                f'{min_depth} and {max_depth}'
            )
        check_least('min_points', min_points, 1)
        self.coordinates = coordinates
        self.depth_range = min_depth, max_depth
        self.min_points = min_points

    def transform(self, results: dict) -> dict:
        """Add the cloud to a sample.

        Args:
            results: A frame's information as `ScanNetFrames` gives it.

        Returns:
            The sample with ``points`` (N, 3), metres; ``pixels`` (N, 2),
            float32: where the colour image shows each point, as
            fractions of its width and height; ``image_shape``, height and
            width of the colour image.
        """
        from mmdet3d.structures.points import DepthPoints

        if 'images' in results:
            raise ValueError(
                'LoadFrame came after PrepareImage, which has to know the '
                'pixels of the points; put it before'
            )
        image_path = results['img_path']
        shape = read_image_size(image_path, image_path)
        coords, pixels = self._back_project(results, shape)
        results['points'] = DepthPoints(torch.from_numpy(coords))
        results['pixels'] = pixels
        results['image_shape'] = shape
        return results

    def _back_project(
        self, results: dict, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find points in the wanted coordinates, and their pixels."""
        calibration = read_calibration(results['scene_path'])
        name = results['img_path']
        depth_path, pose_path = depth_and_pose(name)
        depth = read_depth_image(depth_path, depth_path)
        check_intrinsic(
            calibration.color_intrinsic, shape, name, 'colour image'
        )
        check_intrinsic(
            calibration.depth_intrinsic, depth.shape, name, 'depth image'
        )
        points, pixels = back_project(
            depth, calibration, shape, self.depth_range
        )
        if len(points) < self.min_points:
            raise BadSampleError(
                name,
                f'expected at least {self.min_points} points from '
                f'{self.depth_range[0]} to {self.depth_range[1]} m that its '
                f'colour image shows, got {len(points)}',
            )
        to_wanted = _Y_UP
        if self.coordinates == 'world':
            to_wanted = read_matrix(pose_path)
            if not is_rigid(to_wanted):
                raise BadSampleError(
                    pose_path,
                    'expected a pose that is a rotation and a translation, '
                    f'got {to_wanted.round(3).tolist()}',
                )
        return transform(points, to_wanted), pixels


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Reads the image of a frame, or the one that a render's path names.

    Transparent parts become white.

    Example:
        >>> LoadImage()(dict(img_path='cup/1.png'))['image'].shape
        (270, 270, 3)
    """

    def transform(self, results: dict) -> dict:
        """Add the ``image`` (H, W, 3), uint8, RGB, in ``img_path``."""
        if 'image' in results:
            return results
        if 'img_path' not in results:
            raise KeyError(
                "LoadImage needs results['img_path']; use a data set of "
                'pairs, ScanNetFrames or ObjectRenders with images'
            )
        path = results['img_path']
        results['image'] = read_image(path, path)
        return results


@TRANSFORMS.register_module()
class PrepareImage(BaseTransform):
    """Makes an image square, and the pixels of points those of the square.

    Without an image it changes the pixels alone, which is what trainings
    with stored targets need. Brightness is not normalised: the teachers do
    it, each in its own way.

    Args:
        size: Side S in pixels.
        crop: ``'center'``: the shorter side becomes S, and the middle of the
            longer one is kept, as CLIP does it. ``'squash'``: both sides
            become S.

    Example:
        >>> results = PrepareImage(224)(LoadImage()(results))
        >>> results['images'].shape, results['images'].dtype
        (torch.Size([3, 224, 224]), torch.uint8)
    """

    def __init__(self, size: int = 224, crop: str = 'center') -> None:
        check_least('size', size, 1)
        check_choice('crop', crop, CROPS)
        self.size = size
        self.crop = crop

    @property
    def settings(self) -> dict:
        """What decides the image besides its file, as JSON has it."""
        return dict(size=self.size, crop=self.crop)

    def transform(self, results: dict) -> dict:
        """Make the image of a sample square.

        Args:
            results: With ``image`` (H, W, 3), uint8, or without; where there
                are ``pixels`` (N, 2), with their image or ``image_shape``.

        Returns:
            The sample with ``images``, uint8 (3, S, S), in the place of
            ``image``; ``pixels`` are fractions of the square, -1 for points
            outside of it.
        """
        image = results.pop('image', None)
        shape = results.get('image_shape')
        if image is not None:
            shape = image.shape[:2]
            results['images'] = self._prepare(image)
        if 'pixels' in results:
            results['pixels'] = self._move_pixels(results['pixels'], shape)
            results['image_shape'] = (self.size, self.size)
        return results

    def _window(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Find width and height after resizing, left and top of the cut."""
        height, width = shape
        if self.crop == 'squash':
            return self.size, self.size, 0, 0
        short = min(height, width)
        width, height = (self.size * side // short for side in (width, height))
        left, top = (round((side - self.size) / 2) for side in (width, height))
        return width, height, left, top

    def _prepare(self, image: np.ndarray) -> torch.Tensor:
        width, height, left, top = self._window(image.shape[:2])
        resized = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        square = np.array(
            resized.crop((left, top, left + self.size, top + self.size))
        )
        return torch.from_numpy(square).permute(2, 0, 1).contiguous()

    def _move_pixels(
        self, pixels: np.ndarray, shape: tuple[int, int]
    ) -> np.ndarray:
        """Turn pixels (N, 2) into fractions of the square, -1 outside."""
        width, height, left, top = self._window(shape)
        square = np.full(pixels.shape, -1, np.float32)
        # By columns: reductions over rows of two are slow.
        before = pixels.T.astype(np.float64)
        sizes, starts = (width, height), (left, top)
        u, v = (
            ((old * size - start) / self.size).astype(np.float32)
            for old, size, start in zip(before, sizes, starts, strict=True)
        )
        inside = (before[0] >= 0) & (before[1] >= 0)
        inside &= (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        square[inside, 0], square[inside, 1] = u[inside], v[inside]
        return square
