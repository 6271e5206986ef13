"""Per-point entries of data samples."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.evaluation.point_results import gt_mask, point_field

SAMPLE = dict(
    sample_idx=7, gt_pts_seg=dict(pts_semantic_mask=torch.tensor([1, 2]).int())
)


def test_entries() -> None:
    assert point_field(SAMPLE, 'gt_pts_seg', 'pts_semantic_mask').tolist() == [
        1,
        2,
    ]
    mask = gt_mask(SAMPLE, 2)
    assert mask.dtype == torch.int64
    assert mask.tolist() == [1, 2]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r'sample 7 has no pred_pts_seg\.x'):
        point_field(SAMPLE, 'pred_pts_seg', 'x')
    with pytest.raises(ValueError, match=r'\(2,\) labels for 3 predicted'):
        gt_mask(SAMPLE, 3)
