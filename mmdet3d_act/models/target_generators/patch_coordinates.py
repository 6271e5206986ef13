"""The points of the patches themselves as targets (Point-MAE)."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PatchCoordinates(BaseModule):
    """The coordinates of every patch, relative to its centre.

    Source: Pang et al., Masked Autoencoders for Point Cloud Self-supervised
    Learning, ECCV 2022, section 3.3.
    """

    def forward(
        self,
        inputs: dict,
        patches: PointPatches,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the target, (B, G, K, 3).

        Args:
            inputs: Not used.
            patches: The whole cloud's patches.
            data_samples: Not used.
        """
        return patches.neighborhoods[..., :3]
