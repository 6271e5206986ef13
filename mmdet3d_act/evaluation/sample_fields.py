"""What metrics read of data samples and data sets, and what is missing."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor


def name_of(sample: dict) -> str:
    """Name a data sample in messages.

    Args:
        sample: As MMEngine hands it to metrics, a dict.
    """
    return str(sample.get('lidar_path') or sample.get('sample_idx', '?'))


def required(sample: dict, field: str, remedy: str) -> Any:  # noqa: ANN401
    """Read a field of a data sample.

    Args:
        sample: A data sample as a dict.
        field: Its name; a dot leads into a field, as in
            'gt_pts_seg.pts_semantic_mask'.
        remedy: What gives the sample the field.

    Raises:
        ValueError: If the sample has no such field.
    """
    value: Any = sample
    for key in field.split('.'):
        value = None if value is None else value.get(key)
    if value is None:
        raise ValueError(
            f'sample {name_of(sample)} has no {field}, only {sorted(sample)}; '
            f'{remedy}'
        )
    return value


def gt_mask(sample: dict, num_points: int) -> Tensor:
    """Read the labels of a sample's points, int64 (N,), on the CPU.

    Args:
        sample: A data sample as a dict.
        num_points: Points N of the prediction.

    Raises:
        ValueError: If there are none, or not as many as predictions.
    """
    mask = torch.as_tensor(
        required(
            sample,
            'gt_pts_seg.pts_semantic_mask',
            'PackPointInputs packs the labels',
        )
    )
    if mask.shape != (num_points,):
        raise ValueError(
            f'sample {name_of(sample)} has {tuple(mask.shape)} labels for '
            f'{num_points} predicted points; transforms that choose points '
            'must choose pts_semantic_mask alike'
        )
    return mask.detach().cpu().long()


def class_names(metric: BaseMetric, key: str = 'classes') -> Any:  # noqa: ANN401
    """Read what the data set of a metric says of its classes.

    Args:
        metric: A metric that has been given its data set.
        key: Name in the data set's meta information.

    Raises:
        ValueError: If the data set does not say it.
    """
    meta = metric.dataset_meta or {}
    if not meta.get(key):
        raise ValueError(
            f'{type(metric).__name__} needs {key} in the meta information of '
            f'the data set, got {sorted(meta)}; add metainfo=dict({key}=...)'
        )
    return meta[key]
