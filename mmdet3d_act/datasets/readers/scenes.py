"""Reading scenes of MMDetection3D's ScanNet format: lists, points, masks."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError
from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
from mmdet3d_act.datasets.readers.points import check_points

MASKS = ('pts_semantic_mask', 'pts_instance_mask')
_FLOAT, _INT = np.dtype('<f4'), np.dtype('<i8')
_PREPARE = 'python tools/create_data.py scannet of MMDetection3D'
_MAKE_AGAIN = f'make it again with {_PREPARE}'


def read_scene_infos(path: str, num_classes: int) -> list[dict]:
    """Read what a ``scannet_infos_<split>.pkl`` says of each scene.

    The pickle is read without running what is in it: containers, numbers,
    texts and arrays, nothing else.

    Args:
        path: The file.
        num_classes: Number of classes that boxes are labelled with.

    Returns:
        A dict per scene: ``lidar_points`` (``lidar_path``,
        ``num_pts_feats``), ``axis_align_matrix`` (4, 4), float32, its third
        row and column exactly those of a rotation about z; ``instances``,
        dicts of ``bbox_3d`` (x, y, z, dx, dy, dz, metres, and a yaw where
        there is one) and ``bbox_label_3d``, -1 for none; and
        ``pts_semantic_mask_path`` and ``pts_instance_mask_path``, empty
        where the file names none.

    Raises:
        BadSampleError: If the file is none of these, or a scene in it is
            wrong.
    """
    content = read_arrays_pickle(path)
    if isinstance(content, list):
        raise BadSampleError(
            path,
            'it is a list of scenes as MMDetection3D wrote before 1.0; '
            'bring it up to date with its '
            'tools/dataset_converters/update_infos_to_v2.py',
        )
    infos = content.get('data_list') if isinstance(content, dict) else None
    if not isinstance(infos, list | tuple):
        got = f'a {type(content).__name__}'
        if isinstance(content, dict):
            got += f' with the keys {sorted(map(str, content))[:8]}'
        raise BadSampleError(
            path,
            "expected a dict with a list 'data_list', one dict per scene, "
            f'got {got}; {_MAKE_AGAIN}',
        )
    checked = []
    for number, info in enumerate(infos):
        try:
            checked.append(_check_info(info, num_classes))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadSampleError(
                path,
                f'scene {number} of data_list is wrong: '
                f'{type(error).__name__}: {error}; {_MAKE_AGAIN}',
            ) from error
    return checked


def _check_info(info: dict, num_classes: int) -> dict:
    """Complete the information of a scene, or refuse it."""
    name = info['lidar_points']['lidar_path']
    if not isinstance(name, str) or not name:
        raise ValueError('lidar_path is no text')
    return {
        **info,
        'lidar_points': {'num_pts_feats': 6, **info['lidar_points']},
        'instances': _check_boxes(info.get('instances', ()), num_classes),
        'axis_align_matrix': _check_alignment(
            info.get('axis_align_matrix', np.eye(4))
        ),
        **{f'{m}_path': info.get(f'{m}_path') or '' for m in MASKS},
    }


def _check_boxes(instances: Sequence[dict], num_classes: int) -> list[dict]:
    checked = []
    for number, instance in enumerate(instances):
        label = int(instance['bbox_label_3d'])
        box = np.asarray(instance['bbox_3d'], np.float64)
        if not -1 <= label < num_classes:
            raise ValueError(
                f'box {number} has the label {label}, expected 0 to '
                f'{num_classes - 1}'
            )
        sound = box.shape in ((6,), (7,)) and np.isfinite(box).all()
        if not sound or (box[3:6] < 0).any():
            raise ValueError(
                f'box {number} should be 6 or 7 finite numbers x, y, z, dx, '
                f'dy, dz >= 0, got {box.tolist()}'
            )
        checked.append(dict(bbox_3d=box.tolist(), bbox_label_3d=label))
    lengths = {len(one['bbox_3d']) for one in checked}
    if len(lengths) > 1:
        raise ValueError(f'its boxes have {lengths} numbers, expected one')
    return checked


def _check_alignment(value: Sequence) -> np.ndarray:
    """Check the matrix that turns a scene about z and moves it, (4, 4)."""
    matrix = np.array(value, np.float64)
    sound = matrix.shape == (4, 4) and np.isfinite(matrix).all()
    if sound:
        turn = matrix[:3, :3]
        sound = (
            np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)
            and np.allclose(turn[2], (0, 0, 1), atol=1e-3)
            and np.linalg.det(turn) > 0
        )
    if not sound:
        raise ValueError(
            'axis_align_matrix should be (4, 4), a rotation about z and a '
            f'shift, got {matrix.tolist()}'
        )
    # MMDetection3D compares these exactly.
    matrix[2, :2] = matrix[:2, 2] = 0
    matrix[2, 2] = 1
    return matrix.astype(np.float32)


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
        (N, num_columns), float32: x, y, z in metres; in ScanNet then red,
        green, blue from 0 to 255.

    Raises:
        BadSampleError: If the file is missing, no whole number of rows,
            empty, or has values in use that are not finite.
    """
    numbers = _read_numbers(path, _FLOAT, 'points', num_columns, remedy)
    numbers = numbers.reshape(-1, num_columns)
    if may_be_empty and not len(numbers):
        return numbers
    return check_points(numbers, path, use_dim or num_columns)


def read_scene_mask(
    path: str, num_points: int, num_labels: int | None = None
) -> np.ndarray:
    """Read the labels of a scene's points.

    Args:
        path: A ``.bin`` file of int64 without a header.
        num_points: Number of the scene's points.
        num_labels: Labels are below this number. None takes any.

    Returns:
        (num_points,), int64.

    Raises:
        BadSampleError: If the file is missing, has another length, or a
            label out of range.
    """
    labels = _read_numbers(path, _INT, 'labels')
    if len(labels) != num_points:
        raise BadSampleError(
            path,
            f'expected an int64 label for each of {num_points} points, got '
            f'{len(labels)}; points and masks must come from the same run of '
            f'{_PREPARE}',
        )
    wrong = labels < 0
    if num_labels is not None:
        wrong |= labels >= num_labels
    if wrong.any():
        limit = 'more' if num_labels is None else num_labels - 1
        raise BadSampleError(
            path,
            f'expected labels from 0 to {limit}, {int(wrong.sum())} are not, '
            f'the first is {labels[wrong.argmax()]} of point '
            f'{int(wrong.argmax())}',
        )
    return labels


def _read_numbers(
    path: str,
    dtype: np.dtype,
    what: str,
    num_columns: int = 1,
    remedy: str = _MAKE_AGAIN,
) -> np.ndarray:
    """Read the numbers of a file without a header."""
    if not os.path.isfile(path):
        raise BadSampleError(
            path or 'a scene', f'there is no file with its {what}'
        )
    size, row = os.path.getsize(path), num_columns * dtype.itemsize
    if size % row:
        kind = f'{dtype.name} numbers'
        if num_columns > 1:
            kind = f'rows of {num_columns} {kind}'
        raise BadSampleError(
            path,
            f'truncated, or not {kind}: expected a multiple of {row} bytes, '
            f'got {size}; copy it again, or {remedy}',
        )
    numbers = np.fromfile(path, dtype)
    return numbers.astype(dtype.newbyteorder('='), copy=False)
