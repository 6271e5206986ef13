"""Which patches a masked model does not see.

A mask is a bool tensor (B, G), True where the patch is masked, with exactly
``int(mask_ratio * G)`` masked patches per cloud.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet3d_act.ops import gather_points, require
from mmdet3d_act.registry import MODELS


def select(values: Tensor, mask: Tensor, count: int | None = None) -> Tensor:
    """Return the rows of each cloud where ``mask`` is True, in order.

    Args:
        values: (B, G, ...).
        mask: Bool (B, G) with the same number of True in every row.
        count: That number, where it is known: a GPU then need not be waited
            for.

    Returns:
        (B, S, ...) with S the number of True in a row.

    Raises:
        ValueError: If the rows have different numbers of True.
    """
    if count is None:
        counts = mask.sum(dim=1)
        count = int(counts[0])
        require(
            counts == count,
            'expected a mask with the same number of True in every row; mask '
            'the same number of patches in every cloud, as RandomPatchMask '
            'does',
            counts,
        )
    # Stable: those that are chosen stay in order.
    rows = mask.byte().argsort(dim=1, descending=True, stable=True)
    table = values[..., None] if values.dim() == 2 else values.flatten(2)
    chosen = gather_points(table, rows[:, :count])
    return chosen.view(*chosen.shape[:2], *values.shape[2:])


def count_values(values: Tensor, size: int) -> Tensor:
    """Count how often each of 0 to ``size`` - 1 occurs, (size,), float32.

    As ``torch.bincount``, whose shape depends on the values.

    Args:
        values: int64, any shape.
        size: Number of values.
    """
    counts = torch.zeros(size, device=values.device)
    values = values.flatten()
    return counts.scatter_add_(
        0, values, torch.ones_like(values, dtype=counts.dtype)
    )


class _Mask(nn.Module):
    """Base of the masks: checks the ratio and counts.

    Args:
        ratio: Share of masked patches, in (0, 1).
    """

    def __init__(self, ratio: float) -> None:
        super().__init__()
        if not 0.0 < ratio < 1.0:
            raise ValueError(
                f'the mask ratio must be between 0 and 1, got {ratio}; a '
                'common value is 0.6 (Point-MAE) or 0.8 (ACT)'
            )
        self.ratio = ratio

    def num_masked(self, num_groups: int) -> int:
        """Count how many of ``num_groups`` patches are masked."""
        num_masked = int(self.ratio * num_groups)
        if not 0 < num_masked < num_groups:
            raise ValueError(
                f'a mask ratio of {self.ratio} masks {num_masked} of '
                f'{num_groups} patches; at least one must be masked and one '
                'visible: change the ratio or use more patches'
            )
        return num_masked

    def extra_repr(self) -> str:
        """Return the ratio for the printed module."""
        return f'ratio={self.ratio}'


@MODELS.register_module()
class RandomPatchMask(_Mask):
    """Masks patches drawn uniformly without replacement.

    Example:
        >>> mask = RandomPatchMask(0.8)(torch.rand(2, 10, 3))
        >>> mask.sum(1).tolist()
        [8, 8]

    Args:
        ratio: Share of masked patches, in (0, 1).
    """

    def forward(self, centers: Tensor) -> Tensor:
        """Return a bool mask (B, G), True = masked, of ``centers``."""
        batch, num_groups = centers.shape[:2]
        order = torch.rand(batch, num_groups, device=centers.device).argsort(1)
        return order < self.num_masked(num_groups)


@MODELS.register_module()
class BlockPatchMask(_Mask):
    """Masks the patches nearest to a randomly drawn patch.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.2.

    Args:
        ratio: Share of masked patches, in (0, 1).
    """

    def forward(self, centers: Tensor, start: Tensor | None = None) -> Tensor:
        """Return a bool mask, True = masked.

        Args:
            centers: (B, G, 3).
            start: Index of the patch that each block grows from, int64 (B,);
                drawn at random when None.

        Returns:
            Bool (B, G).
        """
        batch, num_groups = centers.shape[:2]
        if start is None:
            start = torch.randint(num_groups, (batch,), device=centers.device)
        rows = torch.arange(batch, device=centers.device)
        seed = centers[rows, start].unsqueeze(1)  # (B, 1, 3)
        distance = (centers - seed).norm(dim=-1)
        nearest = distance.argsort(dim=1, stable=True)
        mask = torch.zeros(
            batch, num_groups, dtype=torch.bool, device=centers.device
        )
        return mask.scatter_(
            1, nearest[:, : self.num_masked(num_groups)], True
        )
