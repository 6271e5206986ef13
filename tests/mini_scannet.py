"""Small rooms on disk as MMDetection3D has ScanNet and SUN RGB-D."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

# Name, NYU40 id, label of the boxes, size in metres.
FURNITURE = (
    ('bed', 4, 1, (1.9, 1.5, 0.6)),
    ('chair', 5, 2, (0.5, 0.5, 0.9)),
    ('table', 7, 4, (1.2, 0.8, 0.7)),
)
WALL, FLOOR = 1, 2
ROOM = np.array([5.0, 4.0, 2.4])


def _surface(rng: np.random.Generator, size: np.ndarray, count: int) -> tuple:
    """Return points on the surface of a box about the origin."""
    points = rng.uniform(-0.5, 0.5, (count, 3))
    axis = rng.integers(3, size=count)
    points[np.arange(count), axis] = rng.choice([-0.5, 0.5], count)
    return points * size


def room(rng: np.random.Generator, num_points: int) -> dict:
    """Return a room's points (N, 6), masks (N,) and boxes (M, 6)."""
    share = num_points // 6
    floor = rng.uniform(0, 1, (2 * share, 3)) * ROOM * [1, 1, 0]
    wall = rng.uniform(0, 1, (num_points - 5 * share, 3)) * ROOM * [1, 0, 1]
    parts, semantic = [floor, wall], [FLOOR, WALL]
    boxes = []
    for number, (_, nyu_id, _, size) in enumerate(FURNITURE):
        size = np.array(size) * rng.uniform(0.9, 1.1)
        center = np.array(
            [0.9 + 1.6 * number, rng.uniform(1.0, 3.0), size[2] / 2]
        )
        parts.append(_surface(rng, size, share) + center)
        semantic.append(nyu_id)
        boxes.append([*center, *size])
    counts = [len(part) for part in parts]
    coords = np.concatenate(parts)
    colors = rng.integers(0, 256, coords.shape)
    return dict(
        points=np.concatenate([coords, colors], 1).astype(np.float32),
        semantic_mask=np.repeat(semantic, counts).astype(np.int64),
        # From 1 on, 0 is no object.
        instance_mask=np.repeat([0, 0, 1, 2, 3], counts).astype(np.int64),
        boxes=boxes,
    )


def write_scannet(
    root: Path, num_scenes: int = 2, num_points: int = 6000
) -> Path:
    """Write rooms, the same for training and validation.

    Args:
        root: Folder that gets ``scannet/``.
        num_scenes: Rooms of a split.
        num_points: Points of a room.

    Returns:
        The folder ``scannet``.
    """
    folder = root / 'scannet'
    infos = []
    for number in range(num_scenes):
        name = f'scene{number:04d}_00.bin'
        made = room(np.random.default_rng(number), num_points)
        for kind in ('points', 'semantic_mask', 'instance_mask'):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            made[kind].tofile(folder / kind / name)
        infos.append(
            dict(
                lidar_points=dict(num_pts_feats=6, lidar_path=name),
                instances=[
                    dict(bbox_3d=box, bbox_label_3d=label)
                    for box, (_, _, label, _) in zip(
                        made['boxes'], FURNITURE, strict=True
                    )
                ],
                pts_semantic_mask_path=name,
                pts_instance_mask_path=name,
                axis_align_matrix=np.eye(4).tolist(),
            )
        )
    listed = dict(metainfo=dict(DATASET='SCANNET'), data_list=infos)
    for split in ('train', 'val'):
        path = folder / f'scannet_infos_{split}.pkl'
        path.write_bytes(pickle.dumps(listed))
    (folder / 'seg_info').mkdir(exist_ok=True)
    idxs = np.repeat(np.arange(num_scenes), 2)
    np.save(folder / 'seg_info' / 'train_resampled_scene_idxs.npy', idxs)
    return folder


def write_sunrgbd(root: Path, num_scenes: int = 2) -> Path:
    """Write the rooms, turned, in SUN RGB-D's layout; return its folder."""
    folder = root / 'sunrgbd'
    (folder / 'points').mkdir(parents=True)
    labels = [0, 3, 1]  # of FURNITURE
    infos = []
    for number in range(num_scenes):
        made = room(np.random.default_rng(number), 6000)
        yaw = 0.3 + number
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        points, boxes = made['points'], np.array(made['boxes'])
        points[:, :3] = points[:, :3] @ turn.T
        boxes[:, :3] = boxes[:, :3] @ turn.T
        boxes = np.insert(boxes, 6, yaw, axis=1).tolist()
        points.tofile(folder / f'points/{number:06d}.bin')
        image = dict(img_path=f'{number:06d}.jpg', depth2img=np.eye(3))
        infos.append(
            dict(
                lidar_points=dict(
                    num_pts_feats=6, lidar_path=f'{number:06d}.bin'
                ),
                images=dict(CAM0=image),
                instances=[
                    dict(bbox_3d=box, bbox_label_3d=label, bbox=[0, 0, 1, 1])
                    for box, label in zip(boxes, labels, strict=True)
                ],
            )
        )
    # A view without an object, as some of SUN RGB-D are.
    infos.append(dict(infos[0], instances=[]))
    listed = dict(metainfo=dict(dataset='sunrgbd'), data_list=infos)
    for split in ('train', 'val'):
        path = folder / f'sunrgbd_infos_{split}.pkl'
        path.write_bytes(pickle.dumps(listed))
    return folder


def write_scan(path: Path, points: np.ndarray, **columns: np.ndarray) -> None:
    """Write a ``.ply`` with further columns by name."""
    named = dict(zip('xyz', points[:, :3].T.astype('f8'), strict=True))
    if points.shape[1] > 3:
        colors = points[:, 3:6].T.astype('u1')
        named |= dict(zip(('red', 'green', 'blue'), colors, strict=True))
    named |= columns
    rows = np.empty(len(points), [(k, v.dtype) for k, v in named.items()])
    for name, values in named.items():
        rows[name] = values
    PlyData([PlyElement.describe(rows, 'vertex')]).write(path)


def write_scans(folder: Path, num_scans: int = 5) -> Path:
    """Write rooms as files of one's own: PLY with labels, JSON with boxes.

    Labels are 1 (walls) and 2 (floors), others are negative.
    """
    folder.mkdir(parents=True)
    for number in range(num_scans):
        one = room(np.random.default_rng(number), 3000)
        labels = np.where(one['semantic_mask'] < 3, one['semantic_mask'], -1)
        path = folder / f'room{number}.ply'
        write_scan(path, one['points'], label=labels.astype('i4'))
        boxes = [
            dict(label=name, center=list(box[:3]), size=list(box[3:]))
            for (name, *_), box in zip(FURNITURE, one['boxes'], strict=True)
        ]
        path.with_suffix('.json').write_text(json.dumps(dict(boxes=boxes)))
    return folder
