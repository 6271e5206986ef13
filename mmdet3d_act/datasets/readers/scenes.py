"""Reading scenes of MMDetection3D's ScanNet format: lists, points, masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmdet3d_act.datasets.readers.columns import turn_rows
from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
from mmdet3d_act.datasets.readers.points import check_cloud, check_labels
from mmdet3d_act.datasets.readers.projection import is_rigid

MASKS = ('pts_semantic_mask', 'pts_instance_mask')
# Percentile of the heights that is the floor.
_FLOOR = 0.99
_PREPARE = 'tools/create_data.py of MMDetection3D'
_MAKE_AGAIN = f'make it again with {_PREPARE}'


def read_scene_infos(path: str, num_classes: int) -> list[dict]:
    """Read what a ``scannet_infos_<split>.pkl`` says of each scene.

    Args:
        path: The file.
        num_classes: Number of classes that boxes are labelled with.

    Returns:
        A dict per scene: ``lidar_points`` (``lidar_path``,
        ``num_pts_feats``), ``axis_align_matrix`` (4, 4), float32, exactly
        about z; ``instances``, dicts of ``bbox_3d`` (x, y, z, dx, dy, dz,
        metres, and a yaw where there is one) and ``bbox_label_3d``, -1 for
        none; and the paths of both masks, empty where the file names none.
    """
    content: Any = read_arrays_pickle(path)
    if not isinstance(content, dict) or 'data_list' not in content:
        is_dict = isinstance(content, dict)
        got = str(list(content)[:8] if is_dict else type(content))
        raise BadSampleError(
            path,
            f"expected a dict with a list 'data_list', got {got}; "
            f'{_MAKE_AGAIN}, or bring a list from before 1.0 up to date with '
            'its tools/dataset_converters/update_infos_to_v2.py',
        )
    checked = []
    with reading(path, f'a Python pickle of {_PREPARE}'):
        for number, info in enumerate(content['data_list']):
            try:
                checked.append(_check_info(info, num_classes))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f'scene {number} of data_list is wrong: {error!r}'
                ) from error
    return checked


def _check_info(info: dict, num_classes: int) -> dict:
    """Complete the information of a scene, or refuse it."""
    points = {'num_pts_feats': 6, **info['lidar_points']}
    os.fspath(points['lidar_path'])
    return {
        **info,
        'lidar_points': points,
        'instances': _check_boxes(info.get('instances', ()), num_classes),
        'axis_align_matrix': _check_alignment(
            info.get('axis_align_matrix', np.eye(4))
        ),
        **{f'{m}_path': info.get(f'{m}_path') or '' for m in MASKS},
    }


def _check_boxes(instances: Sequence[dict], num_classes: int) -> list[dict]:
    labels = [int(one['bbox_label_3d']) for one in instances]
    # Boxes of several lengths do not become one array.
    boxes = np.array([one['bbox_3d'] for one in instances], np.float64)
    boxes = boxes if len(boxes) else boxes.reshape(0, 6)
    for number, (label, box) in enumerate(zip(labels, boxes, strict=True)):
        sound = len(box) in (6, 7) and np.isfinite(box).all()
        sound = sound and (box[3:6] >= 0).all()
        if not sound or not -1 <= label < num_classes:
            raise ValueError(
                f'box {number} should have a label from 0 to '
                f'{num_classes - 1} and 6 or 7 finite numbers x, y, z, dx, '
                f'dy, dz >= 0, got {label} and {box.tolist()}'
            )
    return [
        dict(bbox_3d=box, bbox_label_3d=label)
        for box, label in zip(boxes.tolist(), labels, strict=True)
    ]


def _check_alignment(value: Sequence) -> np.ndarray:
    """Check the matrix that turns a scene about z and moves it, (4, 4)."""
    matrix = np.array(value, np.float64)
    if not is_rigid(matrix) or not np.allclose(
        matrix[2, :3], (0, 0, 1), atol=1e-3
    ):
        raise ValueError(
            'axis_align_matrix should be (4, 4), a rotation about z and a '
            f'shift, got {matrix.tolist()}'
        )
    # MMDetection3D compares these exactly.
    matrix[2, :2] = matrix[:2, 2] = 0
    matrix[2, 2] = 1
    return matrix.astype(np.float32)


def find_origin(points: np.ndarray, up_axis: str) -> np.ndarray:
    """Find the middle of a scene's floor, (3,), float32.

    It is the middle of the extent, and a height that a few points are below.

    Args:
        points: (N, 3 + F), coordinates first.
        up_axis: 'x', 'y' or 'z'.
    """
    coords = points[:, :3]
    origin = ((coords.min(0) + coords.max(0)) / 2).astype(np.float32)
    up = 'xyz'.index(up_axis)
    origin[up] = np.percentile(coords[:, up], _FLOOR)
    return origin


def place_scan(
    rows: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    *,
    scale: float,
    up_axis: str,
    to_origin: bool = True,
) -> np.ndarray:
    """Turn, scale and move a scan to where a model has scenes, in place.

    Args:
        rows: (N, 3 + C), float32, coordinates first; normals turn with them.
        names: Of the C columns; none where unknown.
        order: Of the axes: column i becomes what column order[i] was.
        scale: What coordinates are multiplied with.
        up_axis: Of the turned scan.
        to_origin: Whether the middle of its floor becomes 0.

    Returns:
        Where the turned and scaled scan has what is 0 now, (3,), float32.
    """
    turn_rows(rows, names, order)
    rows[:, :3] *= scale
    origin = np.zeros(3, np.float32)
    if to_origin:
        origin = find_origin(rows, up_axis)
    rows[:, :3] -= origin
    return origin


def read_scene_points(
    path: str,
    num_columns: int = 6,
    *,
    use_dim: int | None = None,
    may_be_empty: bool = False,
    remedy: str = _MAKE_AGAIN,
) -> np.ndarray:
    """Read the points of a scene's ``.bin`` file.

    Args:
        path: Rows of float32 without a header.
        num_columns: Numbers of a row, 3 or more.
        use_dim: Number of leading columns that must be finite, all by
            default.
        may_be_empty: Whether a file of 0 bytes is a scene without points.
        remedy: What can be done where its size is wrong.

    Returns:
        (N, num_columns), float32: x, y, z in metres; in ScanNet then colours.
    """
    points = _read_rows(path, 'float32', num_columns, remedy)
    if may_be_empty and not len(points):
        return points
    return check_cloud(points, path, use_dim or num_columns).points


def read_scene_mask(
    path: str, num_points: int, num_labels: int | None = None
) -> np.ndarray:
    """Read the labels of a scene's points, (num_points,), int64.

    Args:
        path: A ``.bin`` file of int64 without a header.
        num_points: Number of the scene's points.
        num_labels: Labels are below this number. None takes any.
    """
    labels = _read_rows(path, 'int64', 1, _MAKE_AGAIN)[:, 0]
    if len(labels) != num_points:
        raise BadSampleError(
            path,
            f'expected an int64 label for each of {num_points} points, got '
            f'{len(labels)}; points and masks must come from the same run of '
            f'{_PREPARE}',
        )
    allowed = None if num_labels is None else range(num_labels)
    return check_labels(labels, path, allowed)


def _read_rows(
    path: str, kind: str, num_columns: int, remedy: str
) -> np.ndarray:
    """Read rows of little-endian numbers that have no header."""
    with reading(path or 'a scene', f'rows of {num_columns} {kind}'):
        data = np.fromfile(path, np.uint8)
        dtype = np.dtype(kind)
        if len(data) % (num_columns * dtype.itemsize):
            raise BadSampleError(
                path,
                f'truncated, or not rows of {num_columns} {kind} numbers: '
                f'{len(data)} bytes; copy it again, or {remedy}',
            )
        rows = data.view(dtype.newbyteorder('<')).reshape(-1, num_columns)
        return rows.astype(dtype, copy=False)
