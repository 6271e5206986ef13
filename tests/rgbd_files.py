"""RGB-D videos, made up, in ScanNet's two formats."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

COLOR_SHAPE = (24, 32)
DEPTH_SHAPE = (12, 16)
LOST = np.full((4, 4), -np.inf, np.float32)


class Video(NamedTuple):
    """A video: (4, 4) matrices, uint8 colours, uint16 depths."""

    intrinsics: dict[str, np.ndarray]
    poses: list[np.ndarray]
    colors: list[np.ndarray]
    depths: list[np.ndarray]


def intrinsic(shape: tuple[int, int], focal: float) -> np.ndarray:
    height, width = shape
    matrix = np.eye(4, dtype=np.float32)
    matrix[0, 0] = matrix[1, 1] = focal
    matrix[:2, 2] = (width - 1) / 2, (height - 1) / 2
    return matrix


def rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def make_video(count: int = 4, seed: int = 0) -> Video:
    """Return noise between 1 and 4 m, an eighth of it without depth."""
    rng = np.random.default_rng(seed)
    poses, colors, depths = [], [], []
    for index in range(count):
        pose = np.eye(4, dtype=np.float32)
        pose[:3, :3] = rotation(100 * seed + index)
        pose[:3, 3] = rng.normal(size=3)
        depth = rng.integers(1000, 4000, DEPTH_SHAPE).astype(np.uint16)
        depth[rng.random(DEPTH_SHAPE) < 1 / 8] = 0
        poses.append(pose)
        depths.append(depth)
        colors.append(rng.integers(0, 256, (*COLOR_SHAPE, 3), dtype=np.uint8))
    # The same view in both cameras: twice the pixels, twice the focal length.
    intrinsics = dict(
        color=intrinsic(COLOR_SHAPE, 31.0),
        depth=intrinsic(DEPTH_SHAPE, 15.0),
    )
    return Video(intrinsics, poses, colors, depths)


def encode(image: np.ndarray, kind: str) -> bytes:
    content = io.BytesIO()
    options = dict(quality=95) if kind == 'JPEG' else {}
    Image.fromarray(image).save(content, kind, **options)
    return content.getvalue()


def write_exported(folder: Path, video: Video, numbers: Sequence[int]) -> Path:
    """Write the layout of ScanNet's exporter, colours as `.png`."""
    for name in ('color', 'depth', 'pose', 'intrinsic'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for camera, matrix in video.intrinsics.items():
        np.savetxt(folder / 'intrinsic' / f'intrinsic_{camera}.txt', matrix)
    frames = zip(numbers, video.poses, video.colors, video.depths, strict=True)
    for number, pose, color, depth in frames:
        content = encode(color, 'PNG')
        (folder / 'color' / f'{number}.png').write_bytes(content)
        content = encode(depth, 'PNG')
        (folder / 'depth' / f'{number}.png').write_bytes(content)
        np.savetxt(folder / 'pose' / f'{number}.txt', pose)
    return folder


def color_data(video: Video, compression: int) -> list[bytes]:
    """Return the colours as a `.sens` file holds them."""
    if compression == 0:
        return [color.tobytes() for color in video.colors]
    kind = {1: 'PNG', 2: 'JPEG'}[compression]
    return [encode(color, kind) for color in video.colors]


def write_sens(
    path: Path,
    video: Video,
    *,
    color: int = 2,
    depth: int = 1,
    shift: float = 1000.0,
    version: int = 4,
    num_frames: int | None = None,
) -> Path:
    """Write a `.sens` file, field by field as ScanNet's code does."""
    count = len(video.poses) if num_frames is None else num_frames
    name = b'StructureSensor'
    out = [struct.pack('<I', version), struct.pack('<Q', len(name)), name]
    for camera in ('color', 'depth'):
        matrices = video.intrinsics[camera], np.eye(4)
        out += [matrix.astype('<f4').tobytes() for matrix in matrices]
    out += [struct.pack('<i', color), struct.pack('<i', depth)]
    for height, width in (COLOR_SHAPE, DEPTH_SHAPE):
        out.append(struct.pack('<II', width, height))
    out += [struct.pack('<f', shift), struct.pack('<Q', count)]
    colors = color_data(video, color)
    for index, pose in enumerate(video.poses):
        data = video.depths[index].astype('<u2').tobytes()
        if depth == 1:
            data = zlib.compress(data)
        out.append(pose.astype('<f4').tobytes())
        out.append(struct.pack('<QQ', 10 * index, 10 * index + 1))
        out.append(struct.pack('<QQ', len(colors[index]), len(data)))
        out += [colors[index], data]
    # Two measurements of the inertial unit.
    out += [struct.pack('<Q', 2), bytes(2 * 128)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b''.join(out))
    return path


def write_frames(root: Path) -> Path:
    """Write two scenes of five frames, the last of each for validation."""
    for seed, name in enumerate(('scene0000_00', 'scene0001_00')):
        write_exported(
            root / 'scannet_frames' / name,
            make_video(5, seed),
            range(0, 125, 25),
        )
    return root / 'scannet_frames'
