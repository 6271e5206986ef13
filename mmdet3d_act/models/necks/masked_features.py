"""The student's own features at the masked patches.

Letters: B batch, G patches, M masked, C channels.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import PointPatches, select
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class MaskedFeatures(BaseModule):
    """Takes what the student made of the mask tokens; there is no decoder.

    Point-BERT's form of masked point modelling: masked patches stand as mask
    tokens at the student's input (``Distiller(mask_tokens='input')``), and
    its output there is the prediction.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.2.
    """

    def forward(
        self,
        encoded: EncodedPatches,
        patches: PointPatches,
        mask: Tensor | None,
    ) -> list[Tensor]:
        """Return one prediction, (B, M, C), in patch order.

        Args:
            encoded: The student's
                :class:`~mmdet3d_act.models.backbones.EncodedPatches`.
            patches: Not used.
            mask: Bool (B, G), True = masked.

        Raises:
            ValueError: If nothing is masked, or the student did not see mask
                tokens.
        """
        if mask is None or encoded.features.shape[1] != mask.shape[1]:
            raise ValueError(
                'MaskedFeatures reads the features of the mask tokens; give '
                "the Distiller mask_tokens='input' and a mask, or use "
                'MaskDecoder, which predicts from the visible patches'
            )
        return [select(encoded.features, mask)]
