"""A classifier that looks at several views of a cloud."""

from __future__ import annotations

import torch
from mmengine.model import BaseTTAModel

from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class AverageLogitsTTA(BaseTTAModel):
    """Averages the logits of several views of each cloud.

    The views come from MMCV's TestTimeAug. Logits are averaged, not
    probabilities, as in published code.

    Args:
        module: The classifier (config or module).
        data_preprocessor: Takes the place of the classifier's own.

    Example:
        >>> tta_model = dict(type='AverageLogitsTTA')

    Source: the test script of published Point-MAE and ACT.
    """

    def merge_preds(self, data_samples_list: list) -> list:
        """Return one data sample a cloud.

        Args:
            data_samples_list: For each cloud its views' data samples, each
                with ``pred_logits`` (num_classes,).

        Returns:
            The first view's samples with ``pred_logits`` averaged over the
            views and ``pred_label`` (1,) accordingly.
        """
        merged = []
        for views in data_samples_list:
            sample = views[0]
            logits = torch.stack([view.pred_logits for view in views])
            sample.pred_logits = logits.mean(0)
            sample.pred_label = sample.pred_logits.argmax(-1, keepdim=True)
            merged.append(sample)
        return merged
