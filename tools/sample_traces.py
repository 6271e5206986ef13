"""Looking at the samples of a data set, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset, Compose
from torch.utils.data import Dataset

from mmdet3d_act.datasets.base import iter_datasets
from mmdet3d_act.datasets.seeding import SampleIndex
from mmdet3d_act.evaluation.detection_metric import find_true_boxes
from mmdet3d_act.text import counted
from mmdet3d_act.visualization import Panel
from mmdet3d_act.visualization.arrays import (
    PALETTE,
    class_colors,
    height_colors,
    label_colors,
)
from mmdet3d_act.visualization.samples import point_labels, sample_name
from mmdet3d_act.visualization.scenes import box_panel, label_panel

TRACE_NOTE = (
    'Numbers: extent of the cloud and middle of its box, along x, y, z; every '
    'cloud fills its panel. Grouped clouds have a colour per patch (grey: in '
    'no patch), others are coloured by height; the last column has boxes, or '
    'points, in the colours of their classes, where the sample has some. A '
    'dot before a name: static pipeline, the same in every epoch.'
)


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
        steps: list[Step] = []
        known: dict = dict(sample_idx=index)
        with _recording(dataset, steps, known):
            try:
                dataset[SampleIndex(index, epoch, seed)]
            except ValueError as error:
                if not (steps and steps[-1].error):
                    title = type(dataset).__name__
                    steps.append(Step(title, False, None, error=str(error)))
        name = f'{sample_name(known)} [{index}]'
        traces.append(Trace(name, epoch, known.get('gt_label'), steps))
    return traces


@contextmanager
def _recording(
    dataset: Dataset, steps: list[Step], known: dict
) -> Iterator[None]:
    """Let the transforms of a data set tell what they make, for a while."""

    def record(transform: Callable, static: bool) -> Callable:
        title = type(transform).__name__

        def run(results: dict) -> dict:
            try:
                results = transform(results)
                if results is None:
                    raise ValueError('rejected: the transform returned None')
            except Exception as error:
                text = f'{type(error).__name__}: {error}'
                steps.append(Step(title, static, None, error=text))
                raise
            steps.append(_snapshot(title, static, results))
            known.update(_identity(results))
            return results

        return run

    before: list[tuple[object, str, object]] = []
    for leaf in {id(one): one for one in iter_datasets(dataset)}.values():
        if not isinstance(leaf, BaseDataset):
            raise ValueError(
                f'{type(leaf).__name__} has no pipeline to look into; expected'
                ' a BaseDataset of MMEngine, or a wrapper around some'
            )
        # Another sample would take the place of a bad one, and what is kept
        # from before would not be recorded.
        changes: list[tuple[object, str, object]] = [
            (leaf, 'on_error', 'raise'),
            (leaf, '_static_cache', {}),
        ]
        for name in ('static_pipeline', 'pipeline'):
            compose = getattr(leaf, name, Compose(None))
            static = name == 'static_pipeline'
            recorded = [record(one, static) for one in compose.transforms]
            changes.append((compose, 'transforms', recorded))
        for owner, name, value in changes:
            before.append((owner, name, getattr(owner, name, None)))
            setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
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


def _identity(results: dict) -> dict:
    """Give what names a sample and its class."""
    sample = results.get('data_samples')
    if sample is None:
        keys = ('category', 'lidar_path', 'gt_label')
        return {key: results[key] for key in keys if key in results}
    label = dict(gt_label=int(sample.gt_label)) if 'gt_label' in sample else {}
    return {**sample.metainfo, **label}


def trace_rows(
    traces: Sequence[Trace],
    *,
    classes: Sequence[str] = (),
    palette: Sequence[Sequence[float]] | None = None,
    up_axis: str = 'y',
) -> list[list[Panel]]:
    """Make the rows of a sheet from what transforms make of samples.

    Args:
        traces: The rows, see :func:`trace_sample`.
        classes: Names of the labels.
        palette: Colours of the classes, RGB from 0 to 255; None takes ours.
        up_axis: 'x', 'y' or 'z'.
    """
    tints = class_colors(len(classes) or len(PALETTE), palette)
    return [
        [
            Panel(message=_describe(trace, classes)),
            *(_panel(step, up_axis, tints) for step in trace.steps),
        ]
        for trace in traces
    ]


def _describe(trace: Trace, classes: Sequence[str]) -> str:
    """Say what stands at the beginning of a row."""
    label = 'no label'
    last = trace.steps[-1] if trace.steps else None
    if last is not None and last.labels is not None:
        known = last.labels[last.labels >= 0]
        if classes:
            known = known[known < len(classes)]
        label = counted(len(np.unique(known)), 'class', 'classes')
        if last.boxes is not None:
            label = f'{counted(len(last.boxes), "box", "boxes")} of {label}'
    elif trace.label is not None:
        label = f'label {trace.label}'
        if trace.label < len(classes):
            label += f' ({classes[trace.label]})'
    return f'{trace.name}\nepoch {trace.epoch}\n{label}'


def _panel(step: Step, up_axis: str, tints: np.ndarray) -> Panel:
    title = f'\u00b7\u00a0{step.title}' if step.static else step.title
    if step.error:
        return Panel(title, message=step.error, fault=True)
    if step.points is None:
        return Panel(title, message='no points yet')
    if not np.isfinite(step.points).all():
        text = 'coordinates that are NaN or infinite'
        return Panel(title, message=text, fault=True)
    low, high = step.points.min(axis=0), step.points.max(axis=0)
    middle = np.round((low + high) / 2, 2)
    caption = (
        f'{len(step.points)} points\n'
        + ' x '.join(f'{value:.3g}' for value in high - low)
        + '\nat '
        + ', '.join(f'{value + 0.0:.2f}' for value in middle)
    )
    return _painted(step, up_axis, tints)._replace(
        title=title, caption=caption
    )


def _painted(step: Step, up_axis: str, tints: np.ndarray) -> Panel:
    """Colour the points of a step; add the edges of its boxes."""
    points = np.asarray(step.points)
    if step.boxes is not None:
        # Of more classes than there are colours, some look alike.
        labels = np.asarray(step.labels) % len(tints)
        return box_panel('', points, step.boxes, labels, tints)
    if step.labels is not None:
        return label_panel('', points, step.labels, tints)
    if step.patches is not None:
        return Panel('', points, label_colors(step.patches))
    return Panel('', points, height_colors(points, up_axis))
