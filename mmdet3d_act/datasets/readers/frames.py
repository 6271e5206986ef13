"""Frames of RGB-D videos: ScanNet's exported folders and `.sens` files."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.cameras import (
    EXTRINSIC,
    check_camera,
    read_matrix,
)
from mmdet3d_act.datasets.readers.errors import BadSampleError
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


class FrameEntry(NamedTuple):
    """A frame of a scene: its number, and where the scene has it."""

    number: int
    place: str | int


class VideoFrame:
    """One image with its depth; read when it is asked for.

    Args:
        name: Name for messages.
        calibration: Of the cameras.
    """

    def __init__(self, name: str, calibration: Calibration) -> None:
        self.name = name
        self.calibration = calibration

    def color(self) -> np.ndarray:
        """Return the colour image, (H, W, 3), uint8."""
        raise NotImplementedError(f'{type(self).__name__} must have color')

    def color_shape(self) -> tuple[int, int]:
        """Return height and width of the colour image."""
        raise NotImplementedError(
            f'{type(self).__name__} must have color_shape'
        )

    def depth(self) -> np.ndarray:
        """Return the depth image, (H, W), uint16."""
        raise NotImplementedError(f'{type(self).__name__} must have depth')

    def pose(self) -> np.ndarray:
        """Return the motion from the rig to the world, (4, 4), metres."""
        raise NotImplementedError(f'{type(self).__name__} must have pose')


class ExportedFrame(VideoFrame):
    """A frame of an exported folder.

    Args:
        scene: The scene.
        stem: Name of its files, without suffix.
    """

    def __init__(self, scene: ExportedScene, stem: str) -> None:
        name = os.path.join(scene.path, 'color', stem)
        super().__init__(name, scene.calibration)
        self.paths = dict(
            color=scene.color_path(stem),
            depth=os.path.join(scene.path, 'depth', f'{stem}.png'),
            pose=os.path.join(scene.path, 'pose', f'{stem}.txt'),
        )

    def color(self) -> np.ndarray:
        """Return the colour image, (H, W, 3), uint8."""
        return read_image(self.paths['color'], self.paths['color'])

    def color_shape(self) -> tuple[int, int]:
        """Return height and width of the colour image."""
        return read_image_size(self.paths['color'], self.paths['color'])

    def depth(self) -> np.ndarray:
        """Return the depth image, (H, W), uint16."""
        return read_depth_image(self.paths['depth'], self.paths['depth'])

    def pose(self) -> np.ndarray:
        """Return the motion from the rig to the world, (4, 4), metres."""
        return read_matrix(self.paths['pose'])


class RecordedFrame(VideoFrame):
    """A frame of a `.sens` file.

    Args:
        scene: The scene.
        offset: Byte at which the frame begins.
    """

    def __init__(self, scene: RecordedScene, offset: int) -> None:
        name = f'{scene.path}, frame at byte {offset}'
        super().__init__(name, scene.calibration)
        self._header = scene.header
        self._read = functools.cache(
            functools.partial(scene.file.read_frame, offset)
        )

    @property
    def color_compression(self) -> str:
        """How the colour image is compressed."""
        return self._header.color_compression

    @property
    def record(self) -> SensFrame:
        """What the file holds of the frame, still compressed."""
        return self._read()

    def color(self) -> np.ndarray:
        """Return the colour image, (H, W, 3), uint8."""
        return decode_color(self.record.color, self._header, self.name)

    def color_shape(self) -> tuple[int, int]:
        """Return height and width of the colour image."""
        return decode_color_size(self.record.color, self._header, self.name)

    def depth(self) -> np.ndarray:
        """Return the depth image, (H, W), uint16."""
        return decode_depth(self.record.depth, self._header, self.name)

    def pose(self) -> np.ndarray:
        """Return the motion from the rig to the world, (4, 4), metres."""
        return self.record.pose.astype(np.float64)


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
        self._colors = self._find_colors()

    def _read_calibration(self) -> Calibration:
        matrices = {}
        for kind in ('intrinsic', EXTRINSIC):
            for camera in ('color', 'depth'):
                name = f'{kind}_{camera}'
                path = os.path.join(self.path, 'intrinsic', f'{name}.txt')
                if kind == EXTRINSIC and not os.path.isfile(path):
                    matrices[f'{camera}_{kind}'] = np.eye(4)
                    continue
                matrix = read_matrix(path)
                check_camera(matrix, kind, path)
                matrices[f'{camera}_{kind}'] = matrix
        return Calibration(**matrices)

    def _find_colors(self) -> dict[str, str]:
        folder = os.path.join(self.path, 'color')
        found = (os.path.splitext(name) for name in sorted(os.listdir(folder)))
        return {
            stem: suffix
            for stem, suffix in found
            if stem.isdecimal() and suffix.lower() in IMAGE_SUFFIXES
        }

    def color_path(self, stem: str) -> str:
        """Return the path of a colour image.

        Args:
            stem: Its name without suffix.
        """
        suffix = self._colors.get(stem, '.jpg')
        return os.path.join(self.path, 'color', stem + suffix)

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Yield the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

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
                continue
            if listed is None and not self._has_pose(stem):
                skipped[BAD_POSE] += 1
                continue
            yield FrameEntry(number, stem)

    def frame(self, place: str) -> ExportedFrame:
        """Return a frame.

        Args:
            place: As :meth:`entries` gives it.
        """
        return ExportedFrame(self, place)

    def _has_pose(self, stem: str) -> bool:
        try:
            return is_rigid(self.frame(stem).pose())
        except BadSampleError:
            return False

    def _stems(self, folder: str, suffix: str) -> set[str]:
        path = os.path.join(self.path, folder)
        names = os.listdir(path) if os.path.isdir(path) else ()
        return {n[: -len(suffix)] for n in names if n.endswith(suffix)}

    def _read_list(self, stride: int, skipped: Counter) -> set[int] | None:
        path = os.path.join(self.path, FRAME_LIST)
        if not os.path.isfile(path):
            return None
        try:
            with open(path, encoding='utf-8') as file:
                content = json.load(file)
            counts = {str(k): int(v) for k, v in content['skipped'].items()}
            frames = {int(number) for number in content['frames']}
            written = int(content['frame_stride'])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadSampleError(
                path,
                'is no list of frames as scannet_frames.py writes it; remove '
                'it, or convert the scene again',
            ) from error
        if stride % written:
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
        self.header = self.file.header
        for name in ('color', 'depth'):
            for kind in ('intrinsic', EXTRINSIC):
                matrix = getattr(self.header, f'{kind}_{name}')
                check_camera(matrix, kind, f'{path}, {kind}_{name}')
        self.calibration = Calibration(
            *(
                matrix.astype(np.float64)
                for matrix in (
                    self.header.intrinsic_color,
                    self.header.intrinsic_depth,
                    self.header.extrinsic_color,
                    self.header.extrinsic_depth,
                )
            ),
            self.header.depth_shift,
        )

    def entries(self, stride: int, skipped: Counter) -> Iterator[FrameEntry]:
        """Yield the frames whose number is a multiple of the stride.

        Args:
            stride: At least 1.
            skipped: Counts the frames that cannot be used, by the reason.

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
        """Return a frame.

        Args:
            place: As :meth:`entries` gives it.
        """
        return RecordedFrame(self, place)


FrameScene = ExportedScene | RecordedScene


@functools.lru_cache(maxsize=4096)
def open_scene(path: str) -> FrameScene:
    """Return a scene; those that were opened last are kept.

    Args:
        path: An exported folder or a `.sens` file.

    Raises:
        BadSampleError: If it is neither.
    """
    return (
        RecordedScene(path) if path.endswith('.sens') else ExportedScene(path)
    )


def find_scene(root: str, name: str) -> str | None:
    """Return where a scene is below a folder.

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
    """Return the names of all scenes in a folder, sorted.

    Args:
        root: The folder.
    """
    names = {
        name.removesuffix('.sens')
        for name in os.listdir(root)
        if not name.endswith(UNFINISHED)
    }
    return sorted(name for name in names if find_scene(root, name))
