"""Sets of rooms in the layouts of ScanNet: boxes, masks, RGB-D frames."""

from __future__ import annotations

import dataclasses
import io
import pickle
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mmdet3d_act.datasets.scannet import DETECTION_CLASSES, DETECTION_IDS
from mmdet3d_act.io import write_bytes
from mmdet3d_act.synthetic.category import stream
from mmdet3d_act.synthetic.file_set import (
    FileSet,
    write_array,
    write_rows,
)
from mmdet3d_act.synthetic.room_scan import (
    RoomFrame,
    RoomScan,
    RoomScanOptions,
    scan_room,
)
from mmdet3d_act.synthetic.rooms import RECIPES, draw_room

SCENES_ROOT = 'scannet'
FRAMES_ROOT = 'scannet_frames'
VAL_START = 5000  # number of the first room for validation

_FRAME_STEP = 25  # numbers of the frames, as of every 25th of a video
_SEG_POINTS = 8192  # points of a training sample, for the resampled list
_LISTS = (
    'scannet_infos_{}.pkl',
    'seg_info/{}_resampled_scene_idxs.npy',
    'meta_data/scannetv2_{}.txt',
)


class RoomTask(NamedTuple):
    """One room to make.

    Attributes:
        split: 'train' or 'val'.
        number: Of the room within its split.
        scene: Name of the scene, as ScanNet's.
    """

    split: str
    number: int
    scene: str


@dataclasses.dataclass(frozen=True)
class RoomSet(FileSet):
    """Scans of furnished rooms.

    Args:
        num_train: Rooms for training, at most 5000.
        num_val: Rooms for validation.
        scan: Points and frames of a room.
        frames: Write the RGB-D frames as well.
        seed: Seed of every random stream, at least 0.
    """

    num_train: int = 100
    num_val: int = 25
    scan: RoomScanOptions = dataclasses.field(default_factory=RoomScanOptions)
    frames: bool = True
    seed: int = 0

    manifest = 'synthetic_scenes.json'
    version = 3
    folders: ClassVar[tuple[str, ...]] = (SCENES_ROOT, FRAMES_ROOT)
    counts = ('num_train', 'num_val')
    least: ClassVar = dict(
        seed=0, num_points=100, num_views=1, min_points=1, width=24,
        height=24, noise=0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check the ranges; names of scenes must not meet."""
        super().__post_init__()
        if self.num_train > VAL_START:
            raise ValueError(
                f'num_train must be at most {VAL_START}, got {self.num_train}'
            )

    def tasks(self) -> list[RoomTask]:
        """List the rooms."""
        splits = ('train', self.num_train, 0), ('val', self.num_val, VAL_START)
        return [
            RoomTask(split, number, f'scene{start + number:04d}_00')
            for split, count, start in splits
            for number in range(count)
        ]

    def files(self, task: RoomTask) -> list[str]:
        """List the files of a room."""
        files = [
            f'{SCENES_ROOT}/{folder}/{task.scene}.bin'
            for folder in ('points', 'semantic_mask', 'instance_mask')
        ]
        stem = f'{SCENES_ROOT}/scannet_instance_data/{task.scene}'
        files += [f'{stem}_aligned_bbox.npy', f'{stem}_axis_align_matrix.npy']
        if not self.frames:
            return files
        folder = f'{FRAMES_ROOT}/{task.scene}'
        for number in range(0, _FRAME_STEP * self.scan.num_views, _FRAME_STEP):
            files += [f'{folder}/color/{number}.jpg',
                      f'{folder}/depth/{number}.png',
                      f'{folder}/pose/{number}.txt']  # fmt: skip
        files += [f'{folder}/intrinsic/intrinsic_{name}.txt'
                  for name in ('color', 'depth')]  # fmt: skip
        return files

    def room_scan(self, task: RoomTask) -> RoomScan:
        """Make the scan of a room; the same on every call."""
        rng = stream(self.seed, task.split, 'room', task.number)
        kinds = list(RECIPES)
        room = draw_room(kinds[task.number % len(kinds)], rng)
        return scan_room(room, self.scan, rng)

    def make(self, root: Path, task: RoomTask) -> None:
        """Make a room and write its files."""
        scan = self.room_scan(task)
        folder = root / SCENES_ROOT
        for name, values in (
            ('points', scan.points),
            ('semantic_mask', scan.semantic),
            ('instance_mask', scan.instance),
        ):
            write_bytes(folder / name / f'{task.scene}.bin', values.tobytes())
        if self.frames:
            _write_frames(root / FRAMES_ROOT / task.scene, scan)
        # Centre, size, NYU40 number as in ScanNet.
        boxes = np.column_stack([scan.boxes[:, :6], scan.box_labels])
        stem = folder / 'scannet_instance_data' / task.scene
        write_array(Path(f'{stem}_axis_align_matrix.npy'), scan.align)
        write_array(Path(f'{stem}_aligned_bbox.npy'), boxes)

    def make_lists(self, root: Path) -> None:
        """Write the lists of both splits, as MMDetection3D's own tools do."""
        folder = root / SCENES_ROOT
        for split in ('train', 'val'):
            infos, indices, names = (one.format(split) for one in _LISTS)
            scenes = [t.scene for t in self.tasks() if t.split == split]
            content = pickle.dumps(_infos(folder, scenes), protocol=4)
            write_bytes(folder / infos, content)
            text = ''.join(f'{scene}\n' for scene in scenes)
            write_bytes(folder / names, text.encode())
            write_array(folder / indices, _resampled(folder, scenes))

    def count_boxes(self, out_dir: str | Path) -> dict[str, int]:
        """Count the boxes on disk by class."""
        folder = Path(out_dir) / SCENES_ROOT / 'scannet_instance_data'
        counts = dict.fromkeys(DETECTION_CLASSES, 0)
        for task in self.tasks():
            boxes = np.load(folder / f'{task.scene}_aligned_bbox.npy')
            for number in boxes[:, 6].astype(int):
                counts[DETECTION_CLASSES[DETECTION_IDS.index(number)]] += 1
        return counts


def _write_frames(folder: Path, scan: RoomScan) -> None:
    """Write the frames as ScanNet's exporter does."""
    for index, frame in enumerate(scan.frames):
        number = index * _FRAME_STEP
        color, depth = encode_frame(frame)
        write_bytes(folder / 'color' / f'{number}.jpg', color)
        write_bytes(folder / 'depth' / f'{number}.png', depth)
        write_rows(folder / 'pose' / f'{number}.txt', frame.pose)
    for name in ('color', 'depth'):
        path = folder / 'intrinsic' / f'intrinsic_{name}.txt'
        write_rows(path, scan.intrinsic)


def encode_frame(frame: RoomFrame) -> tuple[bytes, bytes]:
    """Encode colour and depth of a frame."""
    from PIL import Image

    color, depth = io.BytesIO(), io.BytesIO()
    Image.fromarray(frame.color).save(color, 'jpeg', quality=90)
    Image.fromarray(frame.depth).save(depth, 'png', compress_level=1)
    return color.getvalue(), depth.getvalue()


def _infos(folder: Path, scenes: list[str]) -> dict[str, Any]:
    """Describe scenes as MMDetection3D 1.x does."""
    data_list = []
    for scene in scenes:
        stem = folder / 'scannet_instance_data' / scene
        instances = [
            {
                'bbox_3d': box[:6].tolist(),
                'bbox_label_3d': DETECTION_IDS.index(int(box[6])),
            }
            for box in np.load(f'{stem}_aligned_bbox.npy')
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


def _resampled(folder: Path, scenes: list[str]) -> np.ndarray:
    """List each scene once per 8192 points, at least once, by its number."""
    masks = [folder / 'semantic_mask' / f'{scene}.bin' for scene in scenes]
    times = [
        max(1, round(path.stat().st_size / 8 / _SEG_POINTS)) for path in masks
    ]
    return np.repeat(np.arange(len(scenes), dtype=np.int32), times)
