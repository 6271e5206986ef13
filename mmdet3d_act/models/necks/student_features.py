"""The student's own features, without a network between it and the head.

Letters: B batch, G patches, M masked, T tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import PointPatches, select
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice

POOLINGS = ('cls', 'max', 'mean')


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
        """Select one prediction, (B, M, C), in patch order.

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


@MODELS.register_module()
class PatchTokens(BaseModule):
    """Hands the encoded patches on, without concepts drawn out of them.

    The ablation without concept extraction of the concept distillation: what
    the student encoded goes to the head, token by token, in the order of the
    farthest point sampling.

    Source: "3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images", section 4.3.1.

    Args:
        pooling: Of all patches, any of ``'cls'``, ``'max'`` and ``'mean'``:
            one token each instead of one a patch, which no longer depend on
            the patches' order. None pools nothing, as published.

    Raises:
        ValueError: If a pooling is unknown.
    """

    def __init__(self, pooling: Sequence[str] | None = None) -> None:
        super().__init__()
        for name in pooling or ():
            check_choice('each of pooling', name, POOLINGS)
        self.pooling = None if pooling is None else tuple(pooling)

    def forward(
        self,
        encoded: EncodedPatches,
        patches: PointPatches | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Select or pool the tokens, (B, T, C).

        Args:
            encoded: The student's
                :class:`~mmdet3d_act.models.backbones.EncodedPatches`.
            patches: Not used.
            mask: Not used.

        Raises:
            ValueError: If the class token is wanted and there is none.
        """
        if self.pooling is None:
            return encoded.features
        pooled = encoded.pooled()
        if not set(self.pooling) <= set(pooled):
            raise ValueError(
                f'pooling={self.pooling} needs the class token of a student '
                "with with_cls_token=True; use 'max' or 'mean'"
            )
        return torch.stack([pooled[name] for name in self.pooling], dim=1)
