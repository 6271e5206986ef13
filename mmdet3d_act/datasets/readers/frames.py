"""Frames of RGB-D videos: ScanNet's exported folders and `.sens` files."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.images import (
    IMAGE_SUFFIXES,
    read_depth_image,
    read_image,
    read_image_size,
)
from mmdet3d_act.datasets.readers.projection import Calibration, is_rigid
from mmdet3d_act.datasets.readers.sens import (
    SensFile,
    SensFrame,
    decode_color,
    decode_color_size,
    decode_depth,
)

FRAME_LIST = 'frames.json'
FRAME_LIST_VERSION = 1
# At the end of the name of a folder that is being written.
UNFINISHED = '.part'
BAD_POSE = 'frames with an invalid pose'
INCOMPLETE = 'frames without depth or pose'
EXTRINSIC = 'extrinsic'


class FrameEntry(NamedTuple):
    """A frame of a scene: its number, and where the scene has it."""

    number: int
    place: str | int


class ExportedFrame:
    """A frame of an exported folder; its images are read when asked for.

    Args:
        scene: The scene.
        stem: Name of its files, without suffix.
    """

    def __init__(self, scene: ExportedScene, stem: str) -> None:
        self.name = os.path.join(scene.path, 'color', stem)
        self.calibration = scene.calibration
        self.paths = dict(
            color=scene.color_path(stem),
            depth=os.path.join(scene.path, 'depth', f'{stem}.png'),
            pose=os.path.join(scene.path, 'pose', f'{stem}.txt'),
        )

    def color(self) -> np.ndarray:
        """Read the colour image, (H, W, 3), uint8."""
        return read_image(self.paths['color'], self.paths['color'])

    def color_shape(self) -> tuple[int, int]:
        """Read height and width of the colour image."""
        return read_image_size(self.paths['color'], self.paths['color'])

    def depth(self) -> np.ndarray:
        """Read the depth image, (H, W), uint16."""
        return read_depth_image(self.paths['depth'], self.paths['depth'])

    def pose(self) -> np.ndarray:
        """Read the motion from the rig to the world, (4, 4), metres."""
        return read_matrix(self.paths['pose'])


class RecordedFrame:
    """A frame of a `.sens` file; it is read when it is asked for.

    Args:
        scene: The scene.
        offset: Byte at which the frame begins.
    """

    def __init__(self, scene: RecordedScene, offset: int) -> None:
        self.name = f'{scene.path}, frame at byte {offset}'
        self.calibration = scene.calibration
        self._file = scene.file
        self._offset = offset

    @functools.cached_property
    def record(self) -> SensFrame:
        """What the file holds of the frame, still compressed."""
        return self._file.read_frame(self._offset)

    @property
    def color_compression(self) -> str:
        """How the colour image is compressed."""
        return self._file.header.color_compression

    def color(self) -> np.ndarray:
        """Decode the colour image, (H, W, 3), uint8."""
        return decode_color(self.record.color, self._file.header, self.name)

    def color_shape(self) -> tuple[int, int]:
        """Read height and width of the colour image."""
        return decode_color_size(
            self.record.color, self._file.header, self.name
        )

    def depth(self) -> np.ndarray:
        """Decode the depth image, (H, W), uint16."""
        return decode_depth(self.record.depth, self._file.header, self.name)

    def pose(self) -> np.ndarray:
        """Read the motion from the rig to the world, (4, 4), metres."""
        return self.record.pose.astype(np.float64)


VideoFrame = ExportedFrame | RecordedFrame


class ExportedScene:
    """A folder ``color/ depth/ pose/ intrinsic/`` of ScanNet's exporter.

    Names of files are the numbers of the frames. Where the folder has
    ``frames.json``, which ``tools/dataset_converters/scannet_frames.py``
    writes, the frames are those that it lists.

    Args:
        path: The folder.

    Raises:
        BadSampleError: If the intrinsics are missing or wrong.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.calibration = self._read_calibration()
        found = map(os.path.splitext, os.listdir(self._folder('color')))
        self._colors = {
            stem: suffix
            for stem, suffix in sorted(found)
            if stem.isdecimal() and suffix.lower() in IMAGE_SUFFIXES
        }

    def _read_calibration(self) -> Calibration:
        matrices = {}
        for kind in ('intrinsic', EXTRINSIC):
            for camera in ('color', 'depth'):
                path = os.path.join(
                    self._folder('intrinsic'), f'{kind}_{camera}.txt'
                )
                matrix = np.eye(4)
                if kind != EXTRINSIC or os.path.isfile(path):
                    matrix = read_matrix(path)
                    check_camera(matrix, kind, path)
                matrices[f'{camera}_{kind}'] = matrix
        return Calibration(**matrices)

    def _folder(self, name: str) -> str:
        return os.path.join(self.path, name)

    def color_path(self, stem: str) -> str:
        """Name the path of a colour image.

        Args:
            stem: Its name without suffix.

        Returns:
            The path.
        """
        suffix = self._colors.get(stem, '.jpg')
        return os.path.join(self._folder('color'), stem + suffix)

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Find the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

        Yields:
            The frames in the order of their numbers.

        Raises:
            BadSampleError: If the list of frames is damaged.
            ValueError: If other frames were converted.
        """
        listed = self._read_list(stride, skipped)
        depths = self._stems('depth', '.png')
        poses = self._stems('pose', '.txt')
        for stem in sorted(self._colors, key=int):
            number = int(stem)
            if number % stride or (
                listed is not None and number not in listed
            ):
                continue
            if stem not in depths or stem not in poses:
                skipped[INCOMPLETE] += 1
            elif listed is None and not self._has_pose(stem):
                skipped[BAD_POSE] += 1
            else:
                yield FrameEntry(number, stem)

    def frame(self, place: str) -> ExportedFrame:
        """Open a frame.

        Args:
            place: As :meth:`entries` gives it.

        Returns:
            The frame.
        """
        return ExportedFrame(self, place)

    def _has_pose(self, stem: str) -> bool:
        try:
            return is_rigid(self.frame(stem).pose())
        except BadSampleError:
            return False

    def _stems(self, folder: str, suffix: str) -> set[str]:
        path = self._folder(folder)
        names = os.listdir(path) if os.path.isdir(path) else ()
        return {n[: -len(suffix)] for n in names if n.endswith(suffix)}

    def _read_list(self, stride: int, skipped: Counter) -> set[int] | None:
        path = self._folder(FRAME_LIST)
        if not os.path.isfile(path):
            return None
        with reading(path, 'a list of frames by scannet_frames.py'):
            with open(path, encoding='utf-8') as file:
                content = json.load(file)
            counts = {str(k): int(v) for k, v in content['skipped'].items()}
            frames = {int(number) for number in content['frames']}
            written = int(content['frame_stride'])
            divides = stride % written == 0
        if not divides:
            raise ValueError(
                f'{path}: every {written}th frame was converted, so '
                f'frame_stride must be a multiple of it, got {stride}; set '
                'it so, or convert again'
            )
        skipped.update(counts)
        return frames


class RecordedScene:
    """A `.sens` file.

    Args:
        path: The file.

    Raises:
        BadSampleError: If it is none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = SensFile(path)
        matrices = {}
        for kind in ('intrinsic', EXTRINSIC):
            for camera in ('color', 'depth'):
                name = f'{kind}_{camera}'
                matrix = getattr(self.file.header, name)
                check_camera(matrix, kind, f'{path}, {name}')
                matrices[f'{camera}_{kind}'] = matrix.astype(np.float64)
        self.calibration = Calibration(
            **matrices, depth_scale=self.file.header.depth_shift
        )

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Find the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

        Yields:
            The frames in their order.

        Raises:
            BadSampleError: If the file is truncated, after the frames before.
        """
        for number, place in enumerate(self.file.iter_places()):
            if number % stride:
                continue
            if not is_rigid(place.pose):
                skipped[BAD_POSE] += 1
            elif not place.color_bytes or not place.depth_bytes:
                skipped[INCOMPLETE] += 1
            else:
                yield FrameEntry(number, place.offset)

    def frame(self, place: int) -> RecordedFrame:
        """Open a frame.

        Args:
            place: As :meth:`entries` gives it.

        Returns:
            The frame.
        """
        return RecordedFrame(self, place)


FrameScene = ExportedScene | RecordedScene


@functools.lru_cache(maxsize=4096)
def open_scene(path: str) -> FrameScene:
    """Open a scene; those that were opened last are kept.

    Args:
        path: An exported folder or a `.sens` file.

    Returns:
        The scene.

    Raises:
        BadSampleError: If it is neither.
    """
    return (
        RecordedScene(path) if path.endswith('.sens') else ExportedScene(path)
    )


def find_scene(root: str, name: str) -> str | None:
    """Find where a scene is below a folder.

    Args:
        root: The folder.
        name: Name of the scene, such as ``scene0000_00``.

    Returns:
        The exported folder, or the `.sens` file, or None.
    """
    folder = os.path.join(root, name)
    if os.path.isdir(os.path.join(folder, 'color')):
        return folder
    for path in (os.path.join(folder, f'{name}.sens'), f'{folder}.sens'):
        if os.path.isfile(path):
            return path
    return None


def list_scenes(root: str) -> list[str]:
    """List the names of all scenes in a folder, sorted.

    Args:
        root: The folder.

    Returns:
        The names.
    """
    names = {
        name.removesuffix('.sens')
        for name in os.listdir(root)
        if not name.endswith(UNFINISHED)
    }
    return sorted(name for name in names if find_scene(root, name))


def read_matrix(path: str) -> np.ndarray:
    """Read the 4 x 4 numbers of a text file; they may be infinite.

    Args:
        path: The file.

    Returns:
        (4, 4), float64.

    Raises:
        BadSampleError: If it is missing or holds something else.
    """
    with reading(path, '4 rows of 4 numbers'):
        with open(path, encoding='utf-8') as file:
            numbers = [float(word) for word in file.read().split()]
        return np.array(numbers).reshape(4, 4)


def check_camera(matrix: np.ndarray, kind: str, name: str) -> None:
    """Refuse what cannot be the intrinsics or extrinsics of a camera.

    Args:
        matrix: (4, 4).
        kind: ``'intrinsic'`` or ``'extrinsic'``.
        name: Where it is from, for the message.

    Raises:
        BadSampleError: If focal lengths are no lengths, or extrinsics no
            rotation and translation.
    """
    if kind == EXTRINSIC:
        sound, wanted = is_rigid(matrix), 'a rotation and a translation'
    else:
        sound = np.isfinite(matrix).all() and (np.diag(matrix)[:2] > 0).all()
        wanted = 'focal lengths > 0 and finite numbers'
    if not sound:
        raise BadSampleError(
            name, f'expected {wanted}, got {matrix.round(3).tolist()}'
        )
