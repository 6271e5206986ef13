"""Sets of rooms in the layouts of ScanNet: boxes, masks, RGB-D frames."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmdet3d_act.datasets.scannet import (
    DETECTION_CLASSES,
    DETECTION_IDS,
    SEGMENTATION_IDS,
)

from .catalog import stream
from .file_set import SetPlan, write_array, write_bytes, write_rows
from .options import VAL_START, RoomSetOptions
from .room_scan import RoomFrame, RoomScan, scan_room
from .rooms import RECIPES, draw_room

SCENES_ROOT = 'scannet'
FRAMES_ROOT = 'scannet_frames'

_FRAME_STEP = 25  # numbers of the frames, as of every 25th of a video
_SEG_POINTS = 8192  # points of a training sample, for the resampled list
_LISTS = (
    'scannet_infos_{}.pkl',
    'seg_info/{}_resampled_scene_idxs.npy',
    'seg_info/{}_label_weight.npy',
    'meta_data/scannetv2_{}.txt',
)


class RoomTask(NamedTuple):
    """One room to make.

    Attributes:
        split: 'train' or 'val'.
        index: Number of the room within its split.
        scene: Name of the scene, as ScanNet's.
    """

    split: str
    index: int
    scene: str


def plan_rooms(options: RoomSetOptions) -> SetPlan:
    """Plan a set of rooms."""
    counts = (
        ('train', options.num_train, 0),
        ('val', options.num_val, VAL_START),
    )
    tasks = [
        RoomTask(split, index, f'scene{start + index:04d}_00')
        for split, number, start in counts
        for index in range(number)
    ]
    lists = [
        name.format(split) for split in ('train', 'val') for name in _LISTS
    ]
    return SetPlan(
        options=options,
        manifest='synthetic_scenes.json',
        version=2,
        folders=(SCENES_ROOT, FRAMES_ROOT),
        counts=('num_train', 'num_val'),
        tasks=tasks,
        files=partial(_files, options),
        make=partial(_write_room, options),
        lists=[f'{SCENES_ROOT}/{name}' for name in lists],
        make_lists=partial(_write_lists, tasks),
    )


def make_room_scan(options: RoomSetOptions, task: RoomTask) -> RoomScan:
    """Make the scan of a task; the same on every call."""
    rng = stream(options.seed, task.split, 'room', task.index)
    kinds = list(RECIPES)
    room = draw_room(kinds[task.index % len(kinds)], rng)
    return scan_room(room, options.scan, rng)


def count_boxes(
    out_dir: str | Path, tasks: Sequence[RoomTask]
) -> tuple[dict[str, int], int]:
    """Count the boxes by class, and the things that were left without one."""
    stem = Path(out_dir) / SCENES_ROOT / 'scannet_instance_data'
    counts, dropped = dict.fromkeys(DETECTION_CLASSES, 0), 0
    for task in tasks:
        for number in np.load(stem / f'{task.scene}_aligned_bbox.npy')[:, 6]:
            counts[DETECTION_CLASSES[DETECTION_IDS.index(int(number))]] += 1
        dropped += len(np.load(stem / f'{task.scene}_dropped.npy'))
    return counts, dropped


def _files(options: RoomSetOptions, task: RoomTask) -> list[str]:
    """List the files of a room; the last one is written last."""
    files = [
        f'{SCENES_ROOT}/{folder}/{task.scene}.bin'
        for folder in ('points', 'semantic_mask', 'instance_mask')
    ]
    root = f'{FRAMES_ROOT}/{task.scene}'
    for index in range(options.scan.num_views if options.frames else 0):
        number = index * _FRAME_STEP
        files += [f'{root}/color/{number}.jpg', f'{root}/depth/{number}.png',
                  f'{root}/pose/{number}.txt']  # fmt: skip
    if options.frames:
        files += [f'{root}/intrinsic/intrinsic_{name}.txt'
                  for name in ('color', 'depth')]  # fmt: skip
    stem = f'{SCENES_ROOT}/scannet_instance_data/{task.scene}'
    names = 'axis_align_matrix', 'dropped', 'aligned_bbox'
    return files + [f'{stem}_{name}.npy' for name in names]


def _write_room(options: RoomSetOptions, task: RoomTask, root: Path) -> None:
    """Make a room and write its files."""
    scan = make_room_scan(options, task)
    folder = root / SCENES_ROOT
    for name, values in (
        ('points', scan.points),
        ('semantic_mask', scan.semantic),
        ('instance_mask', scan.instance),
    ):
        write_bytes(folder / name / f'{task.scene}.bin', values.tobytes())
    if options.frames:
        _write_frames(root / FRAMES_ROOT / task.scene, scan)
    # Centre, size, NYU40 number as in ScanNet; the yaw follows.
    boxes = np.insert(scan.boxes, 6, scan.box_labels, axis=1)
    if not options.scan.turned:
        boxes = boxes[:, :7]
    stem = folder / 'scannet_instance_data'
    for name, values in (
        ('axis_align_matrix', scan.align),
        ('dropped', scan.dropped),
        ('aligned_bbox', boxes),
    ):
        write_array(stem / f'{task.scene}_{name}.npy', values)


def _write_frames(folder: Path, scan: RoomScan) -> None:
    """Write the frames as ScanNet's exporter does."""
    for index, frame in enumerate(scan.frames):
        number = index * _FRAME_STEP
        color, depth = _encoded(frame)
        write_bytes(folder / 'color' / f'{number}.jpg', color)
        write_bytes(folder / 'depth' / f'{number}.png', depth)
        write_rows(folder / 'pose' / f'{number}.txt', frame.pose)
    for name in ('color', 'depth'):
        path = folder / 'intrinsic' / f'intrinsic_{name}.txt'
        write_rows(path, scan.intrinsic)


def _encoded(frame: RoomFrame) -> tuple[bytes, bytes]:
    """Encode colour and depth of a frame."""
    from PIL import Image

    color, depth = io.BytesIO(), io.BytesIO()
    Image.fromarray(frame.color).save(color, 'jpeg', quality=90)
    Image.fromarray(frame.depth).save(depth, 'png', compress_level=1)
    return color.getvalue(), depth.getvalue()


def _write_lists(tasks: list[RoomTask], root: Path) -> None:
    """Write the lists of both splits, as MMDetection3D's own tools do."""
    folder = root / SCENES_ROOT
    for split in ('train', 'val'):
        infos, indices, weights, names = _LISTS
        scenes = [task.scene for task in tasks if task.split == split]
        content = _infos(folder, scenes)
        content = pickle.dumps(content, protocol=4)
        write_bytes(folder / infos.format(split), content)
        text = ''.join(f'{scene}\n' for scene in scenes)
        write_bytes(folder / names.format(split), text.encode())
        listed, weight = _segmentation_lists(folder, scenes)
        write_array(folder / indices.format(split), listed)
        write_array(folder / weights.format(split), weight)


def _infos(folder: Path, scenes: list[str]) -> dict[str, Any]:
    """Describe scenes as MMDetection3D 1.x does."""
    data_list = []
    for scene in scenes:
        stem = folder / 'scannet_instance_data' / scene
        boxes = np.load(f'{stem}_aligned_bbox.npy')
        instances = [
            {
                'bbox_3d': np.delete(box, 6).tolist(),
                'bbox_label_3d': DETECTION_IDS.index(int(box[6])),
            }
            for box in boxes
        ]
        align = np.load(f'{stem}_axis_align_matrix.npy')
        data_list.append({
            'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{scene}.bin'},
            'instances': instances,
            'pts_semantic_mask_path': f'{scene}.bin',
            'pts_instance_mask_path': f'{scene}.bin',
            'axis_align_matrix': align.tolist(),
        })  # fmt: skip
    categories = {name: at for at, name in enumerate(DETECTION_CLASSES)}
    metainfo = {
        'categories': categories, 'dataset': 'scannet', 'info_version': '1.1'
    }  # fmt: skip
    return {'metainfo': metainfo, 'data_list': data_list}


def _segmentation_lists(
    folder: Path, scenes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute how often each scene is listed, and weights of 20 classes.

    A scene comes once per 8192 points, at least once; a class with the share
    s of the points weighs 1 / ln(1.2 + s), as PointNet++ has it.
    """
    counts = np.zeros(41)
    indices = []
    for index, scene in enumerate(scenes):
        mask = np.fromfile(folder / 'semantic_mask' / f'{scene}.bin', np.int64)
        counts += np.bincount(mask, minlength=41)
        indices += [index] * max(1, round(len(mask) / _SEG_POINTS))
    known = counts[np.array(SEGMENTATION_IDS)]
    share = known / max(known.sum(), 1)
    weights = 1 / np.log(1.2 + share)
    return np.array(indices, np.int32), weights.astype(np.float32)
