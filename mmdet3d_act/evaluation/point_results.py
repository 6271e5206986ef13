"""Per-point predictions and labels of the data samples that metrics get."""

from __future__ import annotations

import torch
from torch import Tensor


def point_field(sample: dict, group: str, name: str) -> Tensor:
    """Return a per-point entry of a data sample.

    Args:
        sample: A data sample as a dict, as MMEngine hands it to metrics.
        group: Name of the per-point data, for example 'pred_pts_seg'.
        name: Name of the entry, for example 'pts_semantic_mask'.

    Raises:
        ValueError: If the sample has none.
    """
    value = (sample.get(group) or {}).get(name)
    if value is None:
        raise ValueError(
            f'sample {sample.get("sample_idx", "?")} has no {group}.{name}, '
            f'only {sorted(sample)}; a segmentor predicts it, PackPointInputs '
            'packs the labels'
        )
    return torch.as_tensor(value)


def gt_mask(sample: dict, num_points: int) -> Tensor:
    """Return the labels of a sample's points, int64 (N,), on the CPU.

    Args:
        sample: See :func:`point_field`.
        num_points: Points N of the prediction.

    Raises:
        ValueError: If there are none, or not as many as predictions.
    """
    mask = point_field(sample, 'gt_pts_seg', 'pts_semantic_mask')
    if mask.shape != (num_points,):
        raise ValueError(
            f'sample {sample.get("sample_idx", "?")} has '
            f'{tuple(mask.shape)} labels for {num_points} predicted points; '
            'transforms that choose points must choose pts_semantic_mask alike'
        )
    return mask.detach().cpu().long()
