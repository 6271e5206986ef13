"""S3DIS as the published code prepares it: a file per room."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.rooms import map_rows, open_room
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice, check_least, log_once

_CLASSES = (
    'ceiling floor wall beam column window door table chair sofa bookcase '
    'board clutter'
)
CLASSES = tuple(_CLASSES.split())
# RGB, 0 to 255.
PALETTE = [
    [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 255, 0],
    [255, 0, 255], [100, 100, 255], [200, 200, 100], [170, 120, 200],
    [255, 0, 0], [200, 100, 100], [10, 200, 100], [200, 200, 200],
    [50, 50, 50],
]  # fmt: skip
SAMPLES = ('blocks', 'rooms')
# Rooms of each area.
ROOM_COUNTS = {1: 44, 2: 40, 3: 23, 4: 49, 5: 68, 6: 48}
CONVERTER = 'tools/dataset_converters/s3dis.py'
_FOLDER = 'stanford_indoor3d'
_ROOM_FILE = re.compile(r'Area_([1-6])_([A-Za-z]+)_?\d*\.npy')


@DATASETS.register_module()
class S3DISBlocks(PointCloudDataset):
    """S3DIS: 272 rooms of 6 areas, 13 classes, as blocks or as whole rooms.

    As blocks, a room is listed the more often the more points it has, so
    that an epoch has as many points as the rooms; `LoadRoomBlock` draws
    another block each time. As rooms, each is one sample of `LoadRoom`.
    Rooms are mapped from their files.

    Args:
        data_root: ``stanford_indoor3d`` or the folder around it.
        split: ``'train'``: the areas that are not for testing. ``'test'``:
            those that are.
        test_areas: Areas for testing, 1 to 6: a number, several, or a text
            such as '5' or '1,2'.
        samples: ``'blocks'`` or ``'rooms'``.
        num_points: Points of a block, on which the number of blocks depends.
        sample_rate: Share of the points that an epoch of blocks has.
        **kwargs: Arguments of `PointCloudDataset`; a ``label_fraction`` is
            one of the rooms.

    Source: Armeni et al., 3D Semantic Parsing of Large-Scale Indoor Spaces,
    2016; ``S3DISDataset`` of the published code
    (``semantic_segmentation/dataset.py``).
    """

    METAINFO: ClassVar[dict] = dict(
        classes=CLASSES,
        palette=PALETTE,
        up_axis='z',
        normalization='none',
    )
    SPLITS = ('train', 'test')
    LAYOUT = (
        f'{_FOLDER}/Area_<1-6>_<room>.npy with rows x, y, z, red, green, '
        'blue, label'
    )
    REMEDY = (
        'The files are made from Stanford3dDataset_v1.2_Aligned_Version by: '
        f'python {CONVERTER} RAW OUT.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        test_areas: int | str | Sequence[int] = 5,
        samples: str = 'blocks',
        num_points: int = 2048,
        sample_rate: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_choice('samples', samples, SAMPLES)
        check_least('num_points', num_points, 1)
        self.test_areas = _read_areas(test_areas)
        self.samples = samples
        self.num_points = num_points
        self.sample_rate = sample_rate
        super().__init__(data_root, split, **kwargs)

    @property
    def folder(self) -> str:
        """Name the folder that holds the rooms."""
        return self.inner_folder(_FOLDER)

    @property
    def areas(self) -> tuple[int, ...]:
        """List the areas of the split."""
        test = self.split == 'test'
        return tuple(a for a in ROOM_COUNTS if (a in self.test_areas) == test)

    def find_problems(self) -> list[str]:
        """Say what of the layout is missing."""
        found = {area for area, _, _ in self._list_rooms()}
        missing = [area for area in self.areas if area not in found]
        if missing and (not found or self.on_error == 'raise'):
            path = os.path.join(self.folder, f'Area_{missing[0]}_*.npy')
            what = f'the rooms of area {missing[0]}'
            return [self.describe_missing(what, path)]
        return []

    def list_samples(self) -> list[dict]:
        """List file, split, area, kind and size of every room."""
        rooms = self._list_rooms()
        self._warn_of_gaps(area for area, _, _ in rooms)
        samples = []
        for area, kind, path in rooms:
            try:
                size = len(map_rows(path))
            except BadSampleError as error:
                if self.on_error == 'raise':
                    raise
                log_once(f'left out a room: {error}')
                continue
            samples.append(
                dict(
                    lidar_path=path,
                    split=self.split,
                    area=area,
                    room_type=kind,
                    num_points=size,
                )
            )
        return samples

    def load_data_list(self) -> list[dict]:
        """List the information of every room, or of every block."""
        rooms = super().load_data_list()
        if self.samples == 'rooms':
            return rooms
        sizes = [room['num_points'] for room in rooms]
        # An epoch has that share of all points, whole blocks of each room.
        blocks = int(sum(sizes) * self.sample_rate / self.num_points)
        counts = [round(size / sum(sizes) * blocks) for size in sizes]
        if not any(counts):
            raise ValueError(
                f'{self.folder}: {sum(sizes)} points make no block of '
                f'{self.num_points}; lower num_points or raise sample_rate'
            )
        return [
            dict(room)
            for room, count in zip(rooms, counts, strict=True)
            for _ in range(count)
        ]

    def label_of(self, sample: dict) -> str:
        """Name the kind by which ``label_fraction`` divides: one of all."""
        return 'room'

    def class_weights(self) -> list[float]:
        """Weigh the classes, larger for rarer ones.

        Returns:
            The cube root of the largest class's share by each class's own,
            for all points of the rooms; 1 for a class without points. With
            ``on_error='skip'`` rooms that cannot be used do not count.

        Raises:
            BadSampleError: If a room cannot be used.

        Source: ``S3DISDataset`` of the published code.
        """
        paths = {self.get_data_info(i)['lidar_path'] for i in range(len(self))}
        counts = np.zeros(len(CLASSES), np.int64)
        for path in sorted(paths):
            try:
                counts += open_room(path, len(CLASSES)).label_counts
            except BadSampleError:
                if self.on_error == 'raise':
                    raise
        counts = np.where(counts > 0, counts, counts.max())
        return np.cbrt(counts.max() / np.maximum(counts, 1)).tolist()

    def _list_rooms(self) -> list[tuple[int, str, str]]:
        """List area, kind and path of the split's rooms."""
        if not os.path.isdir(self.folder):
            return []
        rooms = []
        for name in sorted(os.listdir(self.folder)):
            match = _ROOM_FILE.fullmatch(name)
            if match and int(match[1]) in self.areas:
                path = os.path.join(self.folder, name)
                rooms.append((int(match[1]), match[2], path))
        return rooms

    def _warn_of_gaps(self, areas: Iterable[int]) -> None:
        found = Counter(areas)
        few = {
            area: f'{found[area]} of {ROOM_COUNTS[area]}'
            for area in self.areas
            if found[area] < ROOM_COUNTS[area]
        }
        if few:
            log_once(f'{self.folder} lacks rooms; found by area: {few}')


def _read_areas(value: int | str | Sequence[int]) -> tuple[int, ...]:
    """Read areas, sorted."""
    parts = [value] if isinstance(value, int) else value
    if isinstance(value, str):
        parts = re.findall(r'[^\s,]+', value)
    known = {str(area): area for area in ROOM_COUNTS}
    if not parts or not {str(part) for part in parts} <= set(known):
        raise ValueError(
            f'test_areas must be some of {list(ROOM_COUNTS)}, got {value!r}'
        )
    return tuple(sorted({known[str(part)] for part in parts}))
