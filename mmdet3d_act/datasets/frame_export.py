"""Writing frames of RGB-D videos as ScanNet's exporter does."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmdet3d_act.datasets.projection import Calibration
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    FRAME_LIST,
    FRAME_LIST_VERSION,
    RecordedFrame,
    VideoFrame,
    open_scene,
)
from mmdet3d_act.files import write_json

DAMAGED = 'damaged frames'
EMPTY = 'frames with next to no depth'
_FOLDERS = ('color', 'depth', 'pose', 'intrinsic')
_MILLIMETRES = 1000.0
_SUFFIXES = dict(jpeg='.jpg', png='.png')


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
        """Return whether the scene was written with these options."""
        return self._stored() == self._options()

    def export(self) -> None:
        """Write the scene; its list of frames comes last.

        Frames that cannot be used are left out and counted; of a truncated
        file those before the fault are written.

        Raises:
            BadSampleError: If the scene cannot be read at all.
        """
        folder = Path(self.folder)
        (folder / FRAME_LIST).unlink(missing_ok=True)
        scene = open_scene(self.source)
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write_calibration(folder / 'intrinsic', scene.calibration)
        numbers: list[int] = []
        skipped: Counter = Counter()
        faults: list[str] = []
        try:
            for entry in scene.entries(self.frame_stride, skipped):
                frame = scene.frame(entry.place)
                try:
                    if _write_frame(
                        frame, folder, entry.number, self.min_points
                    ):
                        numbers.append(entry.number)
                    else:
                        skipped[EMPTY] += 1
                except BadSampleError as error:
                    skipped[DAMAGED] += 1
                    faults.append(str(error))
        except BadSampleError as error:
            faults.append(str(error))
        write_json(
            folder / FRAME_LIST,
            {
                **self._options(),
                'frames': numbers,
                'skipped': dict(skipped),
                'faults': faults,
            },
        )

    def report(self) -> dict:
        """Return what is written: frames, skipped, faults."""
        path = os.path.join(self.folder, FRAME_LIST)
        with open(path, encoding='utf-8') as file:
            return json.load(file)

    def _options(self) -> dict:
        return dict(
            version=FRAME_LIST_VERSION,
            source=os.path.basename(self.source),
            source_bytes=_size(self.source),
            frame_stride=self.frame_stride,
            min_points=self.min_points,
        )

    def _stored(self) -> dict | None:
        try:
            stored = self.report()
            return {key: stored[key] for key in self._options()}
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _size(path: str) -> int | None:
    """Return the size of a file, None of a folder."""
    return os.path.getsize(path) if os.path.isfile(path) else None


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
    """Write a frame and return True, or False where it has no depth."""
    depth = frame.depth()
    if np.count_nonzero(depth) < min_points:
        return False
    content, suffix = _encode_color(frame)
    for old in (folder / 'color').glob(f'{number}.*'):
        old.unlink()
    (folder / 'color' / f'{number}{suffix}').write_bytes(content)
    _write_depth(folder / 'depth' / f'{number}.png', depth, frame)
    _write_matrix(folder / 'pose' / f'{number}.txt', frame.pose())
    return True


def _encode_color(frame: VideoFrame) -> tuple[bytes, str]:
    """Return the colour image as a file, unchanged where it is one."""
    image = frame.color()
    if isinstance(frame, RecordedFrame):
        suffix = _SUFFIXES.get(frame.color_compression)
        if suffix is not None:
            return frame.record.color, suffix
        return _encode_png(image), '.png'
    path = Path(frame.paths['color'])
    return path.read_bytes(), path.suffix


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
