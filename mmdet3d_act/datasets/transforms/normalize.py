"""Bringing a cloud into the unit sphere."""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform
from torch import Tensor

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.registry import TRANSFORMS


def normalize_to_unit_sphere(points: Tensor) -> Tensor:
    """Return points about their centroid, divided by the largest radius.

    Args:
        points: (N, 3 + F), coordinates first, any unit.

    Returns:
        (N, 3 + F); the coordinates' mean is 0 and their largest norm 1, the
        features are as before.

    Raises:
        ValueError: If all points are at one place.

    Source: PROTOCOLS.md, "Notation"; ``pc_norm`` of the published code.
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
        """Return the sample with its cloud in the unit sphere.

        Args:
            results: With ``points`` (N, 3 + F).

        Returns:
            The sample with new ``points``.

        Raises:
            BadSampleError: If all points are at one place.
        """
        points = results['points']
        try:
            points.tensor = normalize_to_unit_sphere(points.tensor)
        except ValueError as error:
            path = results.get('lidar_path', 'a sample without lidar_path')
            raise BadSampleError(path, str(error)) from error
        return results
