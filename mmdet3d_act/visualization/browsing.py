"""Looking at the samples of a data set, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import BaseDataset, Compose
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset

from mmdet3d_act.datasets.base import iter_datasets
from mmdet3d_act.datasets.seeding import SampleIndex
from mmdet3d_act.evaluation.detection_metric import find_true_boxes


class Step(NamedTuple):
    """A sample after one transform.

    Attributes:
        title: Name of the transform's class.
        static: Whether it belongs to the static pipeline, whose result is
            the same in every epoch.
        points: (N, 3), or None where the transform gave no points.
        patches: The patch of each of these points, int64 (N,), -1 for none;
            None where the sample is not grouped.
        error: Why the sample cannot be used, or ''.
        labels: The class of each point, int64 (N,), or else of each box,
            (n,), where the sample is packed and has some.
        boxes: (n, 7): middle, sizes, yaw; None where it has none.
    """

    title: str
    static: bool
    points: np.ndarray | None
    patches: np.ndarray | None = None
    error: str = ''
    labels: np.ndarray | None = None
    boxes: np.ndarray | None = None


class Trace(NamedTuple):
    """What became of one sample in one epoch.

    Attributes:
        name: Its category, or the name of its file, and its index.
        epoch: Epoch, from 0.
        label: Its class, or None.
        steps: After each transform, in order.
    """

    name: str
    epoch: int
    label: int | None
    steps: list[Step]


class _Recorder:
    """Runs a transform and keeps what a sample is after it."""

    def __init__(self, transform: Callable, static: bool, sink: _Sink) -> None:
        self.transform = transform
        self.static = static
        self.sink = sink

    def __call__(self, results: dict) -> dict:
        """Run the transform."""
        title = type(self.transform).__name__
        try:
            results = self.transform(results)
            if results is None:
                raise ValueError('rejected: the transform returned None')
        except Exception as error:
            text = f'{type(error).__name__}: {error}'
            self.sink.steps.append(Step(title, self.static, None, error=text))
            raise
        self.sink.steps.append(_snapshot(title, self.static, results))
        self.sink.known.update(_identity(results))
        return results


class _Sink(NamedTuple):
    """The steps of a sample, and what is known of it."""

    steps: list[Step]
    known: dict


def trace_sample(
    dataset: Dataset, index: int, *, epochs: int = 1, seed: int = 0
) -> list[Trace]:
    """Record what each transform makes of a sample, once per epoch.

    The transforms are run by the data set itself, so the last step is what
    the model is fed in a training with this seed. What a training runs once
    only (the static pipeline) is run and listed in every epoch.

    Args:
        dataset: A `BaseDataset`, or wrappers (concatenation, repetition)
            around some.
        index: Index of the sample.
        epochs: How many epochs to run, from 0 on.
        seed: Seed of the run.

    Raises:
        ValueError: If the data set has no pipeline that can be looked into.
        IndexError: If there is no such sample.
    """
    if not 0 <= index < len(dataset):
        raise IndexError(
            f'expected an index in [0, {len(dataset)}), got {index}'
        )
    traces: list[Trace] = []
    for epoch in range(epochs):
        steps, known = sink = _Sink([], dict(sample_idx=index))
        with _recording(dataset, sink):
            try:
                dataset[SampleIndex(index, epoch, seed)]
            except ValueError as error:
                if not (steps and steps[-1].error):
                    title = type(dataset).__name__
                    steps.append(Step(title, False, None, error=str(error)))
        name = f'{sample_name(known)} [{index}]'
        traces.append(Trace(name, epoch, known.get('gt_label'), steps))
    return traces


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


@contextmanager
def _recording(dataset: Dataset, sink: _Sink) -> Iterator[None]:
    """Put recorders into the pipelines of the data sets for a while."""
    changed: list[tuple[object, str, object]] = []

    def change(owner: object, name: str, value: object) -> None:
        if hasattr(owner, name):
            changed.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)

    for leaf in {id(one): one for one in iter_datasets(dataset)}.values():
        if not isinstance(leaf, BaseDataset):
            raise ValueError(
                f'{type(leaf).__name__} has no pipeline to look into; expected'
                ' a BaseDataset of MMEngine, or a wrapper around some'
            )
        for attribute in ('static_pipeline', 'pipeline'):
            compose = getattr(leaf, attribute, Compose(None))
            static = attribute == 'static_pipeline'
            recorders = [
                _Recorder(transform, static, sink)
                for transform in compose.transforms
            ]
            change(compose, 'transforms', recorders)
        # Another sample would take the place of a bad one, and what is kept
        # from before would not pass the recorders.
        change(leaf, 'on_error', 'raise')
        change(leaf, '_static_cache', {})
    try:
        yield
    finally:
        for owner, name, value in reversed(changed):
            setattr(owner, name, value)


def _snapshot(title: str, static: bool, results: dict) -> Step:
    """Copy what can be drawn of a sample."""
    inputs = results.get('inputs')
    source = inputs if isinstance(inputs, dict) else results
    points = source.get('points')
    if points is None:
        return Step(title, static, None)
    tensor = getattr(points, 'tensor', points)
    array = np.array(tensor, dtype=np.float32)[:, :3]
    members = source.get('neighbor_indices')
    patches = None
    if members is not None:
        patches = np.full(len(array), -1)
        for patch, rows in enumerate(np.asarray(members)):
            patches[rows] = patch
    step = Step(title, static, array, patches)
    sample = results.get('data_samples')
    if sample is None:
        return step
    known = {**sample.metainfo, **sample.to_dict()}
    labels, boxes = point_labels(known), find_true_boxes(known)
    if labels is not None and len(labels) == len(array):
        return step._replace(labels=labels)
    if boxes is not None:
        return step._replace(boxes=boxes[0].numpy(), labels=boxes[1].numpy())
    return step


def point_labels(sample: dict) -> np.ndarray | None:
    """Give the labels of a sample's points, int64 (N,), if it has some."""
    for group in ('eval_ann_info', 'gt_pts_seg'):
        labels = (sample.get(group) or {}).get('pts_semantic_mask')
        if labels is not None:
            labels = torch.as_tensor(labels).detach().cpu()
            return labels.numpy().astype(np.int64)
    return None


def _identity(results: dict) -> dict:
    """Give what names a sample and its class."""
    sample = results.get('data_samples')
    if sample is None:
        keys = ('category', 'lidar_path', 'gt_label')
        return {key: results[key] for key in keys if key in results}
    label = dict(gt_label=int(sample.gt_label)) if 'gt_label' in sample else {}
    return {**sample.metainfo, **label}
