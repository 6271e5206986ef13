"""Sets of rooms in the layout of SUN RGB-D: turned boxes, one image each."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
from room_set import (
    VAL_START,
    RoomSet,
    RoomTask,
    encode_frame,
)

from mmdet3d_act.datasets.sunrgbd import DETECTION_CLASSES
from mmdet3d_act.io import write_bytes, write_json
from mmdet3d_act.synthetic.items import NYU40
from mmdet3d_act.synthetic.room_scan import RoomScan
from mmdet3d_act.synthetic.solids import rotation

ROOT = 'sunrgbd'
_LIST = ROOT + '/sunrgbd_infos_{}.pkl'
# Cabinets are dressers here; no kind of thing is a night stand.
_LABELS = {
    NYU40[{'dresser': 'cabinet'}.get(name, name)]: label
    for label, name in enumerate(DETECTION_CLASSES)
    if name != 'night_stand'
}


@dataclasses.dataclass(frozen=True)
class TurnedRoomSet(RoomSet):
    """Scans of furnished rooms whose boxes follow the turn of a thing.

    The origin is at the first camera, which looks along y; its picture is
    the room's, with ``frames``. Arguments are those of `RoomSet`.
    """

    manifest = 'synthetic_turned_rooms.json'
    version = 1
    folders = (ROOT,)

    def tasks(self) -> list[RoomTask]:
        """List the rooms."""
        splits = ('train', self.num_train, 0), ('val', self.num_val, VAL_START)
        return [
            RoomTask(split, number, f'{start + number + 1:06d}')
            for split, count, start in splits
            for number in range(count)
        ]

    def files(self, task: RoomTask) -> list[str]:
        """List the files of a room."""
        image = f'{ROOT}/sunrgbd_trainval/image/{task.scene}.jpg'
        files = [f'{ROOT}/points/{task.scene}.bin', _note(task)]
        return [*files, image] if self.frames else files

    def lists(self) -> list[str]:
        """List the files that list and describe the rooms."""
        return [_LIST.format(split) for split in ('train', 'val')]

    def make(self, root: Path, task: RoomTask) -> None:
        """Make a room and write its files."""
        scan = self.room_scan(task)
        points, boxes, depth2img = _seen_from_the_camera(scan)
        write_bytes(root / f'{ROOT}/points/{task.scene}.bin', points.tobytes())
        if self.frames:
            path = root / f'{ROOT}/sunrgbd_trainval/image/{task.scene}.jpg'
            write_bytes(path, encode_frame(scan.frames[0])[0])
        numbers = scan.box_labels.tolist()
        image = {
            'img_path': f'{task.scene}.jpg',
            'height': self.scan.height,
            'width': self.scan.width,
            'depth2img': depth2img.tolist(),
        }
        info = {
            'lidar_points': {
                'num_pts_feats': 6,
                'lidar_path': f'{task.scene}.bin',
            },
            'images': {'CAM0': image},
            'instances': [
                {'bbox_3d': box, 'bbox_label_3d': _LABELS[number]}
                for box, number in zip(boxes.tolist(), numbers, strict=True)
                if number in _LABELS
            ],
        }
        write_json(root / _note(task), info)

    def make_lists(self, root: Path) -> None:
        """Write the lists of both splits, as MMDetection3D's own tools do."""
        categories = {name: at for at, name in enumerate(DETECTION_CLASSES)}
        metainfo = {
            'categories': categories,
            'dataset': 'sunrgbd',
            'info_version': '1.1',
        }
        infos = self._infos(root)
        for split in ('train', 'val'):
            listed = [infos[t] for t in self.tasks() if t.split == split]
            content = pickle.dumps(
                {'metainfo': metainfo, 'data_list': listed}, protocol=4
            )
            write_bytes(root / _LIST.format(split), content)

    def count_boxes(self, out_dir: str | Path) -> dict[str, int]:
        """Count the boxes on disk by class."""
        counts = Counter(
            DETECTION_CLASSES[box['bbox_label_3d']]
            for info in self._infos(Path(out_dir)).values()
            for box in info['instances']
        )
        return {name: counts[name] for name in DETECTION_CLASSES}

    def _infos(self, root: Path) -> dict[RoomTask, dict]:
        """Read what is known of each room."""
        return {
            task: json.loads((root / _note(task)).read_text('utf-8'))
            for task in self.tasks()
        }


def _note(task: RoomTask) -> str:
    return f'{ROOT}/infos/{task.scene}.json'


def _seen_from_the_camera(
    scan: RoomScan,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put the origin at the first camera, which looks along y.

    Returns:
        Points (N, 6), float32, boxes (I, 7), and the matrix (3, 3) from
        points to pixels of the first frame.
    """
    pose, align = scan.frames[0].pose, scan.align
    yaw = np.arctan2(pose[0, 2], pose[1, 2])
    turn = rotation('z', yaw)
    points = scan.points.copy()
    points[:, :3] = (scan.points[:, :3] - pose[:3, 3]) @ turn.T
    boxes = scan.boxes.copy()
    centers = (scan.boxes[:, :3] - align[:3, 3]) @ align[:3, :3]
    boxes[:, :3] = (centers - pose[:3, 3]) @ turn.T
    boxes[:, 6] += yaw - np.arctan2(align[1, 0], align[0, 0])
    boxes[:, 6] = (boxes[:, 6] + np.pi) % (2 * np.pi) - np.pi
    return points, boxes, scan.intrinsic[:3, :3] @ (turn @ pose[:3, :3]).T
