"""Random changes of a cloud, and the plain functions that apply them.

Draws are from NumPy's global generator, which the data sets seed. Of the
features after the three coordinates normals turn with the points; the others
stay as they are.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch import Tensor, nn

from mmdet3d_act.datasets.readers.columns import width_of
from mmdet3d_act.datasets.transforms.sampling import take_points
from mmdet3d_act.registry import TRANSFORMS
from mmdet3d_act.text import check_least

_AXES = {'x': (1.0, 0.0, 0.0), 'y': (0.0, 1.0, 0.0), 'z': (0.0, 0.0, 1.0)}


def _check_range(name: str, limits: Sequence[float]) -> tuple[float, float]:
    limits = tuple(limits)
    if len(limits) != 2 or not limits[0] <= limits[1]:
        raise ValueError(f'{name} must be (low, high), got {limits}')
    return limits


def _with_coords(points: Tensor, coords: Tensor) -> Tensor:
    return torch.cat([coords, points[:, 3:]], dim=1)


def scale_and_shift(
    points: Tensor,
    scale: np.ndarray | float,
    shift: np.ndarray | float,
    normals: Sequence[int] = (),
) -> Tensor:
    """Multiply coordinates by a scale, then add a shift.

    Args:
        points: (N, 3 + F).
        scale: (3,) or one number.
        shift: (3,) or one number, in the unit of the points.
        normals: The columns of normals, which stay at right angles to the
            surface.
    """
    scale, shift = (
        torch.as_tensor(value, dtype=points.dtype) for value in (scale, shift)
    )
    moved = _with_coords(points, points[:, :3] * scale + shift)
    if normals:
        turned = points[:, normals] / scale
        moved[:, normals] = nn.functional.normalize(turned, dim=1)
    return moved


def rotate(
    points: Tensor,
    axis: Sequence[float],
    angle: float,
    normals: Sequence[int] = (),
) -> Tensor:
    """Turn coordinates and normals about an axis through the origin.

    Args:
        points: (N, 3 + F).
        axis: (3,), the direction of the axis, any length but 0.
        angle: Radians, counter-clockwise as seen from the tip of the axis.
        normals: The columns of normals.
    """
    x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    # Rodrigues' formula, R = I + sin(a) W + (1 - cos(a)) W W
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = (
        np.eye(3)
        + math.sin(angle) * cross
        + (1 - math.cos(angle)) * cross @ cross
    )
    matrix = torch.as_tensor(matrix, dtype=points.dtype)
    moved = _with_coords(points, points[:, :3] @ matrix.T)
    if normals:
        moved[:, normals] = points[:, normals] @ matrix.T
    return moved


class _PointMotion(BaseTransform):
    """Applies `augment` to the points of a sample."""

    @abstractmethod
    def augment(self, points: Tensor, normals: Sequence[int] = ()) -> Tensor:
        """Change points (N, 3 + F), some of whose columns are normals."""

    def transform(self, results: dict) -> dict:
        """Change the ``points`` (N, 3 + F) of a sample."""
        points = results['points']
        normals = (points.attribute_dims or {}).get('normals', ())
        points.tensor = self.augment(points.tensor, normals)
        return results


@TRANSFORMS.register_module()
class RandomPointScaleShift(_PointMotion):
    """Scales a cloud, then shifts it, each axis by its own random amount.

    Args:
        scale_range: Smallest and largest factor, uniform.
        shift_range: Largest shift to either side, in the unit of the points,
            uniform.
        isotropic: Whether all axes share one factor.

    Example:
        >>> results = RandomPointScaleShift()(results)

    Source: ``PointcloudScaleAndTranslate`` of the published code; the
    isotropic variant with 0.8 to 1.25 and 0.1 is its segmentation's.
    """

    def __init__(
        self,
        scale_range: Sequence[float] = (2 / 3, 3 / 2),
        shift_range: float = 0.2,
        *,
        isotropic: bool = False,
    ) -> None:
        self.scale_range = _check_range('scale_range', scale_range)
        check_least('scale_range', self.scale_range[0], 1e-6)
        check_least('shift_range', shift_range, 0)
        self.shift_range = shift_range
        self.isotropic = isotropic

    def augment(self, points: Tensor, normals: Sequence[int] = ()) -> Tensor:
        """Change points (N, 3 + F)."""
        size = 1 if self.isotropic else 3
        scale = np.random.uniform(*self.scale_range, size=size)
        shift = np.random.uniform(-self.shift_range, self.shift_range, size=3)
        return scale_and_shift(points, scale, shift, normals)


@TRANSFORMS.register_module()
class RandomPointRotation(_PointMotion):
    """Turns a cloud about an axis through the origin by a random angle.

    Args:
        axis: 'x', 'y', 'z', or a direction (3,).
        angle_range: Smallest and largest angle in radians, uniform; all
            angles by default.

    Example:
        >>> results = RandomPointRotation('y')(results)
    """

    def __init__(
        self,
        axis: str | Sequence[float] = 'y',
        angle_range: Sequence[float] = (-math.pi, math.pi),
    ) -> None:
        direction = _AXES.get(axis) if isinstance(axis, str) else tuple(axis)
        if direction is None or len(direction) != 3 or not any(direction):
            raise ValueError(
                "axis must be 'x', 'y', 'z' or a direction of three numbers, "
                f'not all 0, got {axis!r}'
            )
        self.axis = direction
        self.angle_range = _check_range('angle_range', angle_range)

    def augment(self, points: Tensor, normals: Sequence[int] = ()) -> Tensor:
        """Change points (N, 3 + F)."""
        angle = np.random.uniform(*self.angle_range)
        return rotate(points, self.axis, angle, normals)


@TRANSFORMS.register_module()
class RandomPointDropout(BaseTransform):
    """Turns a random share of the points into copies of point 0.

    The number of points stays; masks per point follow. The share is uniform
    in [0, max_ratio], and each point is dropped with this probability.

    Args:
        max_ratio: Largest share, in [0, 1).

    Example:
        >>> results = RandomPointDropout(max_ratio=0.5)(results)

    Source: ``PointcloudRandomInputDropout`` of the published code.
    """

    def __init__(self, max_ratio: float = 0.5) -> None:
        if not 0 <= max_ratio < 1:
            raise ValueError(f'max_ratio must be in [0, 1), got {max_ratio}')
        self.max_ratio = max_ratio

    def transform(self, results: dict) -> dict:
        """Replace points of a sample; a copy has the first one's labels."""
        count = len(results['points'])
        ratio = np.random.random() * self.max_ratio
        is_dropped = np.random.random(count) <= ratio
        take_points(results, np.where(is_dropped, 0, np.arange(count)))
        return results


@TRANSFORMS.register_module()
class RandomFeatureDropout(BaseTransform):
    """Sets features of a whole cloud to 0, as where its file lacks them.

    Args:
        features: Kinds that follow the coordinates, as `LoadPointCloud` has
            them.
        probability: With which each kind is dropped.

    Example:
        >>> drop = RandomFeatureDropout(['color', 'normals'], 0.5)
    """

    def __init__(
        self, features: Sequence[str], probability: float = 0.3
    ) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f'probability must be 0 to 1, got {probability}')
        self.widths = [width_of([kind]) for kind in features]
        self.probability = probability

    def transform(self, results: dict) -> dict:
        """Change the ``points`` (N, 3 + F) of a sample."""
        results['points'].tensor = self.augment(results['points'].tensor)
        return results

    def augment(self, points: Tensor) -> Tensor:
        """Drop kinds of features of points (N, 3 + F)."""
        dropped = np.random.random(len(self.widths)) < self.probability
        kept = np.repeat(~dropped, self.widths)
        mask = torch.from_numpy(kept).to(points.dtype)
        return torch.cat([points[:, :3], points[:, 3:] * mask], dim=1)
