"""Placing clouds: objects in the unit sphere, scenes over the origin."""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform
from torch import Tensor

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.registry import TRANSFORMS


def normalize_to_unit_sphere(points: Tensor) -> Tensor:
    """Centre points, and divide them by the largest radius.

    Args:
        points: (N, 3 + F), coordinates first, any unit.

    Returns:
        (N, 3 + F); the coordinates' mean is 0 and their largest norm 1, the
        features are as before.

    Source: ``pc_norm`` of the published code.
    """
    # Sums of coordinates far from the origin need more than float32.
    coords = points[:, :3].double()
    extent = (coords.amax(0) - coords.amin(0)).max()
    if extent <= 0:
        raise ValueError(
            f'degenerate: its {len(points)} points are all at one place, so '
            'it has no radius to be divided by'
        )
    coords = coords - coords.mean(0)
    coords = coords / torch.linalg.vector_norm(coords, dim=1).max()
    return torch.cat([coords.to(points.dtype), points[:, 3:]], dim=1)


@TRANSFORMS.register_module()
class NormalizeToUnitSphere(BaseTransform):
    """Moves the centroid to 0 and scales the largest radius to 1.

    Example:
        >>> results = NormalizeToUnitSphere()(results)
        >>> radius = results['points'].coord.norm(dim=1).max()
        >>> round(float(radius), 4)
        1.0
    """

    def transform(self, results: dict) -> dict:
        """Bring the ``points`` (N, 3 + F) of a sample into the unit sphere."""
        points = results['points']
        try:
            points.tensor = normalize_to_unit_sphere(points.tensor)
        except ValueError as error:
            path = results.get('lidar_path', 'a sample without lidar_path')
            raise BadSampleError(path, str(error)) from error
        return results


@TRANSFORMS.register_module()
class CenterOnGround(BaseTransform):
    """Moves the middle of a scene's extent along x and y to 0.

    Heights stay as they are, as in the blocks of scenes that networks are
    trained on. For whole scenes: `SlidingWindows` without a ``block_size``
    places them alike in testing.

    Example:
        >>> points = CenterOnGround()(results)['points'].coord
        >>> middle = (points[:, :2].amin(0) + points[:, :2].amax(0)) / 2
        >>> bool((middle.abs() < 1e-3).all())
        True
    """

    def transform(self, results: dict) -> dict:
        """Move the ``points`` (N, 3 + F) of a sample over the origin."""
        if 'gt_bboxes_3d' in results:
            raise ValueError(
                'CenterOnGround moves points only, and got gt_bboxes_3d too; '
                'leave it out of pipelines with boxes'
            )
        points = results['points'].tensor.clone()
        middle = (points[:, :2].amin(0) + points[:, :2].amax(0)) / 2
        points[:, :2] -= middle
        results['points'].tensor = points
        return results
