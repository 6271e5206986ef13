"""Every patch of a cloud learns the image patch that it projects to.

Letters: B batch, N points, G patches of the cloud, L patches of the image, C
channels, D channels of the image's features, S pairs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.distillers.objective import Objective
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS


def nearest_image_patches(
    pixels: Tensor, num_patches: int
) -> tuple[Tensor, Tensor]:
    """Return the patches of a square image whose centres are nearest.

    Args:
        pixels: Fractions (u, v) of width and height, (..., 2); outside of [0,
            1) is outside of the image.
        num_patches: L, in rows from the top, a square number.

    Returns:
        Their indices, int64 (...), 0 where there is none, and whether the
        pixel is in the image, bool (...).

    Raises:
        ValueError: If L is no square number.
    """
    side = math.isqrt(num_patches)
    if side * side != num_patches:
        raise ValueError(
            f'expected the patches of a square image, got {num_patches} of '
            'them; the target generator must give patches only (no class '
            'token) of a square image'
        )
    inside = ((pixels >= 0) & (pixels < 1)).all(dim=-1)
    cell = torch.where(inside.unsqueeze(-1), pixels, pixels.new_zeros(()))
    cell = (cell * side).long().clamp_max(side - 1)
    return cell[..., 1] * side + cell[..., 0], inside


@MODELS.register_module()
class LocalAlignment(Objective):
    """The objective that compares patches of the cloud and of its image.

    The centre of a patch projects to a pixel, ``inputs['pixels']`` says
    which, and the image patch around it is what the patch is to be like.
    Patches whose centre is outside of the image take no part. Losses are
    those of the head, and ``aligned_share``, the share of patches with a
    partner. The neck gives one token a patch (``PatchTokens``), the head
    predicts them one by one (``FeatureHead``).

    Source: "3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images", section 4.3.1, "direct local alignment".

    Args:
        See :class:`Objective`.
    """

    def loss(
        self,
        inputs: dict,
        patches: PointPatches,
        mask: Tensor | None,
        encoded: EncodedPatches,
        data_samples: list | None,
    ) -> dict[str, Tensor]:
        """Return the weighted losses of a batch.

        Args:
            inputs: With ``pixels`` (B, N, 2), see
                :func:`nearest_image_patches`.
            patches: The whole cloud's patches.
            mask: Not used.
            encoded: What the student made of all patches.
            data_samples: One a cloud.

        Raises:
            ValueError: If there are no pixels, or not all patches were
                encoded.
        """
        if 'pixels' not in inputs:
            raise ValueError(
                "LocalAlignment needs inputs['pixels'], where every point is "
                f'in the image, got {sorted(inputs)}; use a data set of '
                'paired frames and pack its pixels'
            )
        tokens = self.neck(encoded, patches, None)  # (B, G, C)
        if tokens.shape[:2] != patches.centers.shape[:2]:
            raise ValueError(
                f'expected one token for each of {patches.centers.shape[1]} '
                f'patches, got {tokens.shape[1]}; use PatchTokens without '
                'pooling, and whole_cloud=True where the Distiller masks'
            )
        target = self.get_target(inputs, patches, data_samples)  # (B, L, D)
        index = patches.center_indices.unsqueeze(-1).expand(-1, -1, 2)
        index, inside = nearest_image_patches(
            inputs['pixels'].gather(1, index), target.shape[1]
        )
        index = index.unsqueeze(-1).expand(-1, -1, target.shape[-1])
        target = target.gather(1, index)[inside].unsqueeze(0)  # (1, S, D)
        preds = [tokens[inside].unsqueeze(0)]
        everything = inside.new_ones(1, target.shape[1])
        if target.shape[1]:
            losses = self.head.loss(preds, target, everything)
        else:
            # Nothing to learn from this batch; all parameters take part.
            nothing = tokens.sum() + self.head(preds)[0].sum()
            losses = {'loss': 0.0 * nothing}
        weighted = self.weigh(losses)
        return {**weighted, 'aligned_share': inside.float().mean()}
