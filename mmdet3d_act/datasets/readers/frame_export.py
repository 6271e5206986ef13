"""Writing frames of RGB-D videos as ScanNet's exporter does."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    FRAME_LIST,
    FRAME_LIST_VERSION,
    UNFINISHED,
    FrameScene,
    VideoFrame,
    open_scene,
)
from mmdet3d_act.datasets.readers.projection import Calibration
from mmdet3d_act.io import write_json

DAMAGED = 'damaged frames'
EMPTY = 'frames with next to no depth'
# A folder with colours is a scene: they come last, and go first.
_FOLDERS = ('depth', 'pose', 'intrinsic', 'color')
_MILLIMETRES = 1000.0


class FrameExport(NamedTuple):
    """A scene that is to be written.

    Attributes:
        source: An exported folder or a `.sens` file.
        folder: Where it is written to.
        frame_stride: Frames are written whose number is a multiple of it.
        min_points: Frames with fewer measured depths are left out.
    """

    source: str
    folder: str
    frame_stride: int
    min_points: int

    def is_done(self) -> bool:
        """Tell whether the scene was written with these options."""
        folders = [Path(self.folder, name) for name in _FOLDERS]
        try:
            report = self.report()
        except (OSError, ValueError):
            return False
        whole = all(folder.is_dir() for folder in folders)
        return whole and self._options().items() <= report.items()

    def export(self) -> None:
        """Write the scene, beside its place until it is complete.

        Frames that cannot be used are left out and counted; of a truncated
        file those before the fault are written. An interrupted call leaves
        ``<folder>.part``, which no data set takes for a scene.

        Raises:
            BadSampleError: If the scene cannot be read at all.
            FileExistsError: If frames of somebody else are in its place.
        """
        place = Path(self.folder)
        there = any((place / name).exists() for name in _FOLDERS)
        if there and not (place / FRAME_LIST).is_file():
            raise FileExistsError(
                f'{self.folder} has frames and no {FRAME_LIST}, so they were '
                'not converted by this tool and are not replaced; remove '
                'them, or choose another folder'
            )
        scene = open_scene(self.source)
        part = Path(f'{self.folder}{UNFINISHED}')
        shutil.rmtree(part, ignore_errors=True)
        for name in _FOLDERS:
            (part / name).mkdir(parents=True)
        _write_calibration(part / 'intrinsic', scene.calibration)
        write_json(part / FRAME_LIST, self._write_frames(scene, part))
        place.mkdir(exist_ok=True)
        for name in reversed(_FOLDERS):
            shutil.rmtree(place / name, ignore_errors=True)
        # The list says whose the folders are.
        for name in (FRAME_LIST, *_FOLDERS):
            (part / name).replace(place / name)
        part.rmdir()

    def report(self) -> dict:
        """Read what was written: frames, skipped, faults."""
        text = Path(self.folder, FRAME_LIST).read_text(encoding='utf-8')
        return json.loads(text)

    def _options(self) -> dict:
        is_file = os.path.isfile(self.source)
        return dict(
            version=FRAME_LIST_VERSION,
            source=os.path.basename(self.source),
            source_bytes=os.path.getsize(self.source) if is_file else None,
            frame_stride=self.frame_stride,
            min_points=self.min_points,
        )

    def _write_frames(self, scene: FrameScene, folder: Path) -> dict:
        """Write the frames; give the list of them."""
        numbers: list[int] = []
        skipped: Counter = Counter()
        faults: list[str] = []
        try:
            for entry in scene.entries(self.frame_stride, skipped):
                frame = scene.frame(entry.place)
                try:
                    written = _write_frame(
                        frame, folder, entry.number, self.min_points
                    )
                except BadSampleError as error:
                    skipped[DAMAGED] += 1
                    faults.append(str(error))
                    continue
                numbers += [entry.number] if written else []
                skipped[EMPTY] += not written
        except BadSampleError as error:
            faults.append(str(error))
        return dict(
            **self._options(),
            frames=numbers,
            skipped=dict(+skipped),
            faults=faults,
        )


def _write_calibration(folder: Path, calibration: Calibration) -> None:
    for camera in ('color', 'depth'):
        for kind in ('intrinsic', 'extrinsic'):
            matrix = getattr(calibration, f'{camera}_{kind}')
            _write_matrix(folder / f'{kind}_{camera}.txt', matrix)


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    # Nine digits give every float32 back.
    rows = (' '.join(f'{value:.9g}' for value in row) for row in matrix)
    path.write_text('\n'.join(rows) + '\n', encoding='utf-8')


def _write_frame(
    frame: VideoFrame, folder: Path, number: int, min_points: int
) -> bool:
    """Write a frame, if it has enough depth; tell whether it has."""
    # All is read before anything is written.
    depth, pose = frame.depth(), frame.pose()
    if np.count_nonzero(depth) < min_points:
        return False
    content, suffix = _encode_color(frame)
    (folder / 'color' / f'{number}{suffix}').write_bytes(content)
    _write_depth(folder / 'depth' / f'{number}.png', depth, frame)
    _write_matrix(folder / 'pose' / f'{number}.txt', pose)
    return True


def _encode_color(frame: VideoFrame) -> tuple[bytes, str]:
    """Give the colour image as a file, unchanged where it is one."""
    image = frame.color()
    content, suffix = frame.color_file()
    return (content, suffix) if suffix else (_encode_png(image), '.png')


def _write_depth(path: Path, depth: np.ndarray, frame: VideoFrame) -> None:
    scale = frame.calibration.depth_scale
    if scale != _MILLIMETRES:
        limit = np.iinfo(np.uint16).max
        depth = np.rint(depth * (_MILLIMETRES / scale))
        # What is farther than 65 m is nothing that was measured.
        depth = np.where(depth > limit, 0, depth).astype(np.uint16)
    path.write_bytes(_encode_png(depth))


def _encode_png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, 'PNG')
    return content.getvalue()
