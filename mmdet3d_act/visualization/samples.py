"""What pictures say of samples: which ones, their names, their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.structures import BaseDataElement


def spread_indices(length: int, count: int) -> list[int]:
    """Spread ``count`` indices evenly over a length; fewer if it is shorter.

    Example:
        >>> spread_indices(10, 4)
        [0, 2, 5, 7]
    """
    count = min(length, count)
    return [index * length // count for index in range(count)]


def sample_name(sample: dict | BaseDataElement) -> str:
    """Name a sample, or its meta information: by category or by file."""
    known = sample if isinstance(sample, dict) else sample.metainfo
    path = known.get('lidar_path')
    stem = Path(path).stem if path else f'sample {known.get("sample_idx")}'
    return str(known.get('category') or stem)


def point_labels(sample: dict) -> np.ndarray | None:
    """Give the labels of a sample's points, int64 (N,), if it has some."""
    for group in ('eval_ann_info', 'gt_pts_seg'):
        labels = (sample.get(group) or {}).get('pts_semantic_mask')
        if labels is not None:
            labels = torch.as_tensor(labels).detach().cpu()
            return labels.numpy().astype(np.int64)
    return None
