"""Frames of RGB-D videos, in the folders that ScanNet's exporter writes."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Callable

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.images import IMAGE_SUFFIXES
from mmdet3d_act.datasets.readers.projection import Calibration, is_rigid

FRAME_LIST = 'frames.json'
# At the end of the name of a folder that is being written.
UNFINISHED = '.part'
BAD_POSE = 'frames with an invalid pose'
INCOMPLETE = 'frames without depth or pose'


def list_scenes(root: str) -> list[str]:
    """List the names of all scenes in a folder, sorted."""
    return sorted(
        name
        for name in os.listdir(root)
        if is_scene(root, name) and not name.endswith(UNFINISHED)
    )


def is_scene(root: str, name: str) -> bool:
    """Tell whether a folder has a scene ``<name>/color``."""
    return os.path.isdir(os.path.join(root, name, 'color'))


def list_frames(scene: str, stride: int, skipped: Counter) -> list[str]:
    """List the colour images of a scene's frames, in the order of numbers.

    Names of files are the numbers of the frames. Where the folder has
    ``frames.json``, which ``tools/dataset_converters/scannet_frames.py``
    writes, the frames are those that it lists.

    Args:
        scene: A folder ``color/ depth/ pose/ intrinsic/``.
        stride: Frames are taken whose number is a multiple of it.
        skipped: Counts the frames that cannot be used, by the reason.

    Raises:
        BadSampleError: If the list of frames or the intrinsics are damaged.
        ValueError: If other frames were converted.
    """
    read_calibration(scene)
    found = map(os.path.splitext, os.listdir(os.path.join(scene, 'color')))
    suffixes = {
        stem: suffix
        for stem, suffix in found
        if stem.isdecimal() and suffix.lower() in IMAGE_SUFFIXES
    }
    listed = _read_list(scene, stride, skipped)
    frames = []
    for stem in sorted(suffixes, key=int):
        number = int(stem)
        if number % stride or (listed is not None and number not in listed):
            continue
        color = os.path.join(scene, 'color', stem + suffixes[stem])
        depth, pose = depth_and_pose(color)
        if not os.path.isfile(depth) or not os.path.isfile(pose):
            skipped[INCOMPLETE] += 1
        elif listed is None and not _has_pose(pose):
            skipped[BAD_POSE] += 1
        else:
            frames.append(color)
    return frames


def depth_and_pose(color: str) -> tuple[str, str]:
    """Name the files of depth and pose that belong to a colour image."""
    folder, name = os.path.split(color)
    scene, stem = os.path.dirname(folder), os.path.splitext(name)[0]
    return (
        os.path.join(scene, 'depth', f'{stem}.png'),
        os.path.join(scene, 'pose', f'{stem}.txt'),
    )


def read_matrix(path: str) -> np.ndarray:
    """Read the numbers (4, 4) of a text file; they may be infinite."""
    with reading(path, '4 rows of 4 numbers'), open(path) as file:
        return np.array(file.read().split(), float).reshape(4, 4)


@functools.lru_cache(maxsize=4096)
def read_calibration(scene: str) -> Calibration:
    """Read the cameras of a scene, from its folder ``intrinsic``."""

    def read(name: str) -> tuple[np.ndarray, str]:
        path = os.path.join(scene, 'intrinsic', f'{name}.txt')
        if name.startswith('extrinsic') and not os.path.isfile(path):
            return np.eye(4), path
        return read_matrix(path), path

    return check_calibration(read)


def check_calibration(
    read: Callable[[str], tuple[np.ndarray, str]], depth_scale: float = 1000.0
) -> Calibration:
    """Collect the matrices of both cameras, and refuse what cannot be one.

    Args:
        read: Takes a name such as 'intrinsic_color', gives the matrix (4, 4)
            and where it is from.
        depth_scale: Numbers of the depth image in a metre.
    """
    matrices = {}
    for camera in ('color', 'depth'):
        for kind in ('intrinsic', 'extrinsic'):
            matrix, source = read(f'{kind}_{camera}')
            wanted = 'a rotation and a translation'
            sound = is_rigid(matrix)
            if kind == 'intrinsic':
                wanted = 'focal lengths > 0 and finite numbers'
                sound = np.isfinite(matrix).all() and matrix[0, 0] > 0
                sound = sound and matrix[1, 1] > 0
            if not sound:
                raise BadSampleError(
                    source,
                    f'expected {wanted}, got {matrix.round(3).tolist()}',
                )
            matrices[f'{camera}_{kind}'] = matrix.astype(np.float64)
    return Calibration(**matrices, depth_scale=depth_scale)


def _has_pose(path: str) -> bool:
    try:
        return is_rigid(read_matrix(path))
    except BadSampleError:
        return False


def _read_list(
    scene: str, stride: int, skipped: Counter
) -> frozenset[int] | None:
    path = os.path.join(scene, FRAME_LIST)
    if not os.path.isfile(path):
        return None
    with reading(path, 'a list of frames by scannet_frames.py'):
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        counts = {str(k): int(v) for k, v in content['skipped'].items()}
        frames = frozenset(int(number) for number in content['frames'])
        written = int(content['frame_stride'])
        divides = stride % written == 0
    if not divides:
        raise ValueError(
            f'{path}: every {written}th frame was converted, so frame_stride '
            f'must be a multiple of it, got {stride}; set it so, or convert '
            'again'
        )
    skipped.update(counts)
    return frames
