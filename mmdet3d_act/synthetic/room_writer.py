"""Writes scanned rooms in the files that MMDetection3D and ScanNet have."""

from __future__ import annotations

import dataclasses
import io
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .catalog import shape_rng
from .room_lists import list_files, write_lists
from .room_scan import (
    RoomFrame,
    RoomScan,
    RoomScanOptions,
    scan_room,
)
from .rooms import draw_room, room_kinds
from .writing import Manifest, Progress, work_off, write_array, write_whole

# Raise it whenever the same options would give other files than before.
SCENES_VERSION = 1

SCENES_MANIFEST = 'synthetic_scenes.json'
SCENES_ROOT = 'scannet'
FRAMES_ROOT = 'scannet_frames'

_FRAME_STEP = 25  # numbers of the frames, as of every 25th of a video
_VAL_START = 5000  # number of the first validation scene


@dataclasses.dataclass(frozen=True)
class SceneSetOptions:
    """What a set of rooms holds; equal options give equal files.

    Args:
        num_train: Rooms for training.
        num_val: Rooms for validation.
        scan: Points and frames of a room.
        frames: Write the RGB-D frames as well.
        seed: Seed of every random stream.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_train: int = 100
    num_val: int = 25
    scan: RoomScanOptions = dataclasses.field(default_factory=RoomScanOptions)
    frames: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ('num_train', 'num_val', 'seed'):
            if getattr(self, name) < 0:
                raise ValueError(
                    f'{name} must be at least 0, got {getattr(self, name)}; '
                    'raise it'
                )
        for name in ('num_train', 'num_val'):
            if getattr(self, name) > _VAL_START:
                raise ValueError(
                    f'{name} must be at most {_VAL_START}, got '
                    f'{getattr(self, name)}; lower it'
                )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SceneSetOptions:
        """Return the options that `dataclasses.asdict` made a dict of.

        Args:
            values: The dict.
        """
        scan = RoomScanOptions(**values['scan'])
        return cls(**{**values, 'scan': scan})


class RoomJob(NamedTuple):
    """One room to make.

    Attributes:
        split: 'train' or 'val'.
        index: Number of the room within its split.
        scene: Name of the scene, as ScanNet's.
    """

    split: str
    index: int
    scene: str


def plan_rooms(options: SceneSetOptions) -> list[RoomJob]:
    """Return all rooms of a set.

    A room depends on the seed, its split and its number alone.

    Args:
        options: What the set holds.
    """
    counts = (('train', options.num_train, 0),
              ('val', options.num_val, _VAL_START))  # fmt: skip
    return [
        RoomJob(split, index, f'scene{start + index:04d}_00')
        for split, number, start in counts
        for index in range(number)
    ]


def make_room_scan(job: RoomJob, options: SceneSetOptions) -> RoomScan:
    """Return the scan of a job; the same on every call.

    Args:
        job: Which room.
        options: The set that it belongs to.
    """
    rng = shape_rng(options.seed, job.split, 'room', job.index)
    kinds = room_kinds()
    room = draw_room(kinds[job.index % len(kinds)], rng)
    return scan_room(room, options.scan, rng)


def write_scenes(
    out_dir: str | Path,
    options: SceneSetOptions,
    *,
    num_workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> bool:
    """Write a set of rooms and return whether anything had to be written.

    A complete set with the same options is left alone; an interrupted one
    is completed; one with fewer rooms gets the others, since a room depends
    on neither their number nor on other rooms.

    Args:
        out_dir: Root of the data; made where it does not exist.
        options: What the set holds.
        num_workers: Number of processes, at least 1.
        overwrite: Replace a set that was written with other options.
        progress: Called with the number of rooms done and of all rooms,
            first before anything is made.

    Raises:
        ValueError: If the folder holds a set with other options or more
            rooms and `overwrite` is off, holds files of another origin, or
            `num_workers` is below 1.
    """
    root = Path(out_dir)
    manifest = Manifest(
        root / SCENES_MANIFEST, SCENES_VERSION, dataclasses.asdict(options)
    )
    jobs = plan_rooms(options)
    complete = _prepare(root, manifest, overwrite)
    missing = [job for job in jobs if not _is_done(root, job, options)]
    if complete and not missing and _all_listed(root):
        return False
    work = partial(_write_room, root=root, options=options)
    done = len(jobs) - len(missing)
    steps = work_off(work, missing, num_workers)
    manifest.write(complete=False)
    report = progress or (lambda done, total: None)
    report(done, len(jobs))
    for step, _ in enumerate(steps, start=1):
        report(done + step, len(jobs))
    for split in ('train', 'val'):
        scenes = [job.scene for job in jobs if job.split == split]
        write_lists(root / SCENES_ROOT, split, scenes)
    manifest.write(complete=True)
    return True


def _prepare(root: Path, manifest: Manifest, overwrite: bool) -> bool:
    """Return whether a complete set with these options was written.

    Removes a set with other options where that is allowed, file by file, so
    that nothing but this set's own files can go.
    """
    found = manifest.found()
    if found is None:
        for name in (SCENES_ROOT, FRAMES_ROOT):
            folder = root / name
            if folder.is_dir() and any(folder.iterdir()):
                raise ValueError(
                    f'{folder} must be empty, got files that this tool did '
                    'not write; choose another folder'
                )
        return False
    if manifest.matches(found):
        return bool(found['complete'])
    if _is_part(found, manifest.state):
        return False
    if not overwrite:
        manifest.refuse(
            found, 'rooms can be added to it where all other options agree; '
        )
    previous = SceneSetOptions.from_dict(found['options'])
    for job in plan_rooms(previous):
        for path in _room_files(job, previous):
            (root / path).unlink(missing_ok=True)
    for path in list_files():
        (root / SCENES_ROOT / path).unlink(missing_ok=True)
    manifest.path.unlink()
    return False


def _is_part(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether all rooms of a set are in another one, and equal.

    Args:
        found: What the manifest says of the set.
        wanted: What it is to say of the other one.
    """
    counts = ('num_train', 'num_val')
    old, new = found['options'], wanted['options']
    return (
        found['version'] == wanted['version']
        and {*old} == {*new}
        and all(old[name] <= new[name] for name in counts)
        and all(old[name] == new[name] for name in {*new} - {*counts})
    )


def _room_files(job: RoomJob, options: SceneSetOptions) -> list[str]:
    """Return the files of a room; the last one is written last."""
    files = [
        f'{SCENES_ROOT}/{folder}/{job.scene}.bin'
        for folder in ('points', 'semantic_mask', 'instance_mask')
    ]
    if options.frames:
        root = f'{FRAMES_ROOT}/{job.scene}'
        for index in range(options.scan.num_views):
            number = index * _FRAME_STEP
            files += [
                f'{root}/color/{number}.jpg',
                f'{root}/depth/{number}.png',
                f'{root}/pose/{number}.txt',
            ]
        for name in ('color', 'depth'):
            files.append(f'{root}/intrinsic/intrinsic_{name}.txt')
    stem = f'{SCENES_ROOT}/scannet_instance_data/{job.scene}'
    names = ('axis_align_matrix', 'dropped', 'aligned_bbox')
    return files + [f'{stem}_{name}.npy' for name in names]


def _all_listed(root: Path) -> bool:
    """Return whether all files that belong to no room are there."""
    return all((root / SCENES_ROOT / name).exists() for name in list_files())


def _is_done(root: Path, job: RoomJob, options: SceneSetOptions) -> bool:
    """Return whether the files of a room are there."""
    return all((root / path).exists() for path in _room_files(job, options))


def _write_room(job: RoomJob, *, root: Path, options: SceneSetOptions) -> None:
    """Make one room and write its files."""
    scan = make_room_scan(job, options)
    folder = root / SCENES_ROOT
    for name, values in (
        ('points', scan.points),
        ('semantic_mask', scan.semantic),
        ('instance_mask', scan.instance),
    ):
        path = folder / name / f'{job.scene}.bin'
        write_whole(path, values.tobytes())
    if options.frames:
        _write_frames(root / FRAMES_ROOT / job.scene, scan)
    stem = folder / 'scannet_instance_data' / job.scene
    for name, values in (
        ('axis_align_matrix', scan.align),
        ('dropped', scan.dropped),
        ('aligned_bbox', scan.boxes),
    ):
        write_array(stem.with_name(f'{job.scene}_{name}.npy'), values)


def _write_frames(folder: Path, scan: RoomScan) -> None:
    """Write the frames as ScanNet's exporter does."""
    for index, frame in enumerate(scan.frames):
        number = index * _FRAME_STEP
        for path, content in _encoded(frame).items():
            write_whole(folder / path.format(number), content)
    for name in ('color', 'depth'):
        path = folder / 'intrinsic' / f'intrinsic_{name}.txt'
        write_whole(path, _matrix_text(scan.intrinsic))


def _encoded(frame: RoomFrame) -> dict[str, bytes]:
    """Return the files of a frame."""
    from PIL import Image

    color, depth = io.BytesIO(), io.BytesIO()
    Image.fromarray(frame.color).save(color, 'jpeg', quality=90)
    Image.fromarray(frame.depth).save(depth, 'png', compress_level=1)
    return {
        'color/{}.jpg': color.getvalue(),
        'depth/{}.png': depth.getvalue(),
        'pose/{}.txt': _matrix_text(frame.pose),
    }


def _matrix_text(matrix: np.ndarray) -> bytes:
    """Return a matrix as rows of numbers."""
    text = io.BytesIO()
    np.savetxt(text, matrix, '%.6f')
    return text.getvalue()
