"""Grouping a cloud into patches before it reaches the model."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.ops import group_points
from mmdet3d_act.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GroupPoints(BaseTransform):
    """Records which points are the patches' centres and members.

    The model then gathers the patches instead of computing them. Later
    augmentation moves the points and keeps the patches' members. In a
    ``static_pipeline`` the grouping is computed once per cloud.

    Args:
        num_groups: Number of patches G.
        group_size: Points per patch K.
        skip_origin: Whether points within 0.0316 of the origin are no
            centres, as in the published code.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> results = GroupPoints(64, 32)(results)
        >>> results['neighbor_indices'].shape
        torch.Size([64, 32])
    """

    def __init__(
        self, num_groups: int, group_size: int, *, skip_origin: bool = False
    ) -> None:
        if num_groups < 1 or group_size < 1:
            raise ValueError(
                'num_groups and group_size must be >= 1, got '
                f'{num_groups} and {group_size}'
            )
        self.num_groups = num_groups
        self.group_size = group_size
        self.skip_origin = skip_origin

    def transform(self, results: dict) -> dict:
        """Return the sample with the indices of its patches.

        Args:
            results: With ``points`` (N, 3 + F).

        Returns:
            The sample with ``center_indices`` (G,) and ``neighbor_indices``
            (G, K), int64 tensors.

        Raises:
            BadSampleError: If the cloud has fewer points than G or K.
        """
        coords = results['points'].coord
        wanted = max(self.num_groups, self.group_size)
        if len(coords) < wanted:
            raise BadSampleError(
                results.get('lidar_path', 'a sample without lidar_path'),
                f'too small: {self.num_groups} groups of {self.group_size} '
                f'need at least {wanted} points, got {len(coords)}',
            )
        groups = group_points(
            coords[None],
            self.num_groups,
            self.group_size,
            skip_origin=self.skip_origin,
        )
        results['center_indices'] = groups[2][0]
        results['neighbor_indices'] = groups[3][0]
        return results
