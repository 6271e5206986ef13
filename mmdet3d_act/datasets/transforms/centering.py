"""Placing a scene over the origin."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from mmdet3d_act.registry import TRANSFORMS


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
        """Return the sample with its cloud over the origin.

        Args:
            results: With ``points`` (N, 3 + F), metres, z up, and no boxes,
                which would stay where they were.

        Returns:
            The sample with new ``points``.

        Raises:
            ValueError: If the sample has boxes.
        """
        if 'gt_bboxes_3d' in results:
            raise ValueError(
                'CenterOnGround moves points only, and got gt_bboxes_3d too; '
                'leave it out of pipelines with boxes'
            )
        points = results['points']
        ground = points.tensor[:, :2]
        middle = (ground.amin(0) + ground.amax(0)) / 2
        moved = points.tensor.clone()
        moved[:, :2] -= middle
        points.tensor = moved
        return results
