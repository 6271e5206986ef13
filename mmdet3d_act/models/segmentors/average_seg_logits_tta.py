"""A segmentor that looks at several views of a cloud."""

from __future__ import annotations

import torch
from mmengine.model import BaseTTAModel

from mmdet3d_act.registry import MODELS, point_data


@MODELS.register_module()
class AverageSegLogitsTTA(BaseTTAModel):
    """Averages the logits that points get in several views of their cloud.

    The views come from MMCV's TestTimeAug, and hold the same points in the
    same order: what chooses points stands before it, what moves them (scale,
    shift, rotation) inside.

    Args:
        module: The segmentor (config or module).
        data_preprocessor: Takes the place of the segmentor's own.

    Example:
        >>> tta_model = dict(type='AverageSegLogitsTTA')
    """

    def merge_preds(self, data_samples_list: list) -> list:
        """Return one data sample a cloud.

        Args:
            data_samples_list: For each cloud its views' data samples, each
                with ``pts_seg_logits.pts_seg_logits`` (C, N).

        Returns:
            The first view's samples with the logits averaged over the views
            and ``pred_pts_seg.pts_semantic_mask`` (N,) accordingly.

        Raises:
            ValueError: If the views differ in their points' labels, so that
                they are views of different points.
        """
        merged = []
        for views in data_samples_list:
            sample = views[0]
            _check_same_points(views)
            logits = torch.stack(
                [view.pts_seg_logits.pts_seg_logits for view in views]
            ).mean(0)
            sample.pts_seg_logits = point_data(pts_seg_logits=logits)
            sample.pred_pts_seg = point_data(
                pts_semantic_mask=logits.argmax(0)
            )
            merged.append(sample)
        return merged


def _check_same_points(views: list) -> None:
    masks = [
        view.gt_pts_seg.pts_semantic_mask
        for view in views
        if 'gt_pts_seg' in view
    ]
    if not all(torch.equal(mask, masks[0]) for mask in masks[1:]):
        raise ValueError(
            'the views of a cloud must hold the same points in the same '
            'order, got different labels; put what chooses points before '
            'TestTimeAug'
        )
