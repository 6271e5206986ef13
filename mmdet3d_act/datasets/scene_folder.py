"""A folder of one's own scans with labels per point, or with boxes."""

from __future__ import annotations

import csv
import functools
import json
import logging
import os
import re
from typing import Any, ClassVar

import numpy as np

from mmdet3d_act.datasets.orientation import KNOWN_AXES, guess_unit
from mmdet3d_act.datasets.point_folder import PointFolder
from mmdet3d_act.datasets.readers import BadSampleError, read_cloud
from mmdet3d_act.datasets.readers.columns import AUTO, take_labels
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.datasets.readers.points import LASER_FILE_SUFFIXES
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice, check_least, log_once

TASKS = ('segmentation', 'detection')
FORMAT = 'format'
CLASS_LIST = 'classes.txt'
BOX_SUFFIXES = ('.json', '.csv')
# More values in a column of labels are no labels.
_MAX_LABELS = 250
# Scans that a unit is guessed from.
_LOOKED_AT = 8
# The classes of LAS files, by the standard of the ASPRS.
_LAS = (
    'never classified,unclassified,ground,low vegetation,medium vegetation,'
    'high vegetation,building,low point,model key-point,water,rail,'
    'road surface,overlap,wire guard,wire conductor,tower,wire connector,'
    'bridge deck,high noise'
)
_LAS_NAMES = tuple(_LAS.split(','))
# Smaller ones are no classes.
_FIRST_LAS_CLASS = 2
_LABEL_AND_NAME = re.compile(r'(-?\d+)[\s,;:]+(\S.*)')


@DATASETS.register_module()
class SceneFolder(PointFolder):
    """The scans of a folder with labels of their points, or with boxes.

    `LoadFolderScene` reads them as ``mmdet3d-act predict`` places scans: in
    metres, z up, the middle of the floor at the origin. ``docs/data.md``
    describes the files.

    Args:
        data_root: The folder.
        split: See `PointFolder`.
        task: ``'segmentation'`` or ``'detection'``.
        labels: The column of the labels of points, see
            :func:`~mmdet3d_act.datasets.readers.columns.find_label_column`.
        columns: Names of the columns behind the coordinates, for files that
            do not tell them.
        up_axis: Of the scans: 'x', 'y' or 'z'; ``'format'``: z, but y of
            glTF; ``'auto'`` guesses where the format does not tell it.
        scale: From the unit of the scans to metres.
        **kwargs: Arguments of `PointFolder` but ``classes``: these are found
            in the labels or the boxes, or in ``classes.txt`` of the folder.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='z', normalization='none'
    )
    REMEDY = (
        "Set data_root in the data set's config to the folder with your "
        'scans; configs/act/act_{semseg,3detr}_folder*.py take it from the '
        'environment variable ACT_CLOUDS.'
    )

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        task: str = 'segmentation',
        labels: int | str = AUTO,
        columns: tuple[str, ...] = (),
        up_axis: str = FORMAT,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_choice('task', task, TASKS)
        check_least('scale', scale, 1e-9)
        self.task = task
        self.labels = labels
        self.columns = tuple(columns)
        self.scale = scale
        self.given_axis = up_axis
        super().__init__(
            data_root,
            split,
            up_axis='z' if up_axis == FORMAT else up_axis,
            normalization='none',
            **dict(dict(packed=None), **kwargs),
        )

    def list_samples(self) -> list[dict]:
        """List every scan with what `LoadFolderScene` needs."""
        samples = super().list_samples()
        if self.task == 'segmentation':
            told = dict(
                label_values=self._metainfo['label_values'],
                label_column=self.labels,
                columns=self.columns,
            )
        else:
            told = {}
            samples = [s for s in samples if box_file(s['lidar_path'])]
        return [sample | told for sample in samples]

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information, with the boxes of its scan."""
        info = super().get_data_info(idx)
        info |= dict(scale=self.scale, scan_axis=self.stated['up_axis'])
        if self.given_axis in (FORMAT, AUTO):
            suffix = os.path.splitext(info['lidar_path'])[1].lower()
            info['scan_axis'] = KNOWN_AXES.get(suffix, info['scan_axis'])
        if self.task == 'detection':
            classes = self._metainfo['classes']
            found = read_boxes(box_file(info['lidar_path']))
            kept = [one for one in found if one['label'] in classes]
            info['boxes'] = [one['box'] for one in kept]
            info['box_labels'] = [classes.index(one['label']) for one in kept]
            info['turned_boxes'] = self._metainfo['turned_boxes']
        return info

    def find_problems(self) -> list[str]:
        """Say what is missing: scans, or boxes of scans."""
        scans, _ = self._walked
        if scans and not self.files:
            stem = os.path.splitext(os.path.join(self.data_root, scans[0]))[0]
            return [
                f'{self.data_root}: no scan has boxes; expected a file beside '
                f'each, {stem}.json or .csv, see docs/data.md'
            ]
        return super().find_problems()

    @functools.cached_property
    def files(self) -> list[str]:
        """The scans; for detection those with boxes, of which splits are."""
        found = super().files
        if self.task == 'segmentation':
            return found
        paths = [os.path.join(self.data_root, file) for file in found]
        kept = [f for f, p in zip(found, paths, strict=True) if box_file(p)]
        without = sorted(set(found) - set(kept))
        if kept and without:
            log_once(
                f'{self.data_root}: left out {len(without)} of {len(found)} '
                f'scans, which have no boxes beside them: {without[0]}, ...'
            )
        return kept

    @property
    def _walked(self) -> tuple[list[str], list[str]]:
        """The scans, and what is none; a ``.csv`` may hold boxes."""
        found, others = super()._walked
        if self.task == 'segmentation':
            return found, others
        return (
            [name for name in found if not name.lower().endswith('.csv')],
            [n for n in others if not n.lower().endswith(BOX_SUFFIXES)],
        )

    def _describe_clouds(self) -> None:
        super()._describe_clouds()
        # Of the scans; the model sees z up.
        self.stated['up_axis'] = self._metainfo['up_axis']
        self._metainfo['up_axis'] = 'z'
        if self.scale == 1:
            clouds = self._read_some(_LOOKED_AT)
            guess = guess_unit(clouds)
            self.guesses['scale'] = [guess.value, guess.told]
            if guess.value != '1':
                log_once(
                    f'{self.data_root}: is it in metres? {guess.told}; state '
                    f'scale={guess.value} (ACT_SCALE)'
                )

    def _find_classes(self) -> list[str]:
        """Name the classes; of points by what their labels are."""
        listed = read_class_list(os.path.join(self.data_root, CLASS_LIST))
        if self.task == 'detection':
            return self._find_box_classes(listed)
        if listed:
            self._metainfo['label_values'] = tuple(listed)
            return list(listed.values())
        values: set[int] = set()
        files = [os.path.join(self.data_root, file) for file in self.files]
        for path in files:
            try:
                state = os.stat(path).st_mtime_ns
                found = find_labels(path, state, self.labels, self.columns)
            except (OSError, BadSampleError):
                if self.on_error == 'raise':
                    raise
                continue  # it is reported where it is used
            values.update(found)
            if len(values) > _MAX_LABELS:
                raise BadSampleError(
                    path,
                    f'more than {_MAX_LABELS} different labels, is it the '
                    'right column? It is named by labels (ACT_LABEL)',
                )
        are_las = files and all(
            file.lower().endswith(LASER_FILE_SUFFIXES) for file in files
        )
        known = dict(enumerate(_LAS_NAMES if are_las else ()))
        least = _FIRST_LAS_CLASS if are_las else 0
        kept = tuple(sorted(value for value in values if value >= least))
        # Results are written with the numbers of the files.
        self._metainfo['label_values'] = kept
        names = [known.get(value, str(value)) for value in kept]
        if files:
            log_once(
                f'{self.data_root}: {len(names)} classes, by the labels of '
                f'{len(files)} scans: {names}; {CLASS_LIST} names them',
                logging.INFO,
            )
        return names

    def _find_box_classes(self, listed: dict[int, str]) -> list[str]:
        found = [
            one
            for file in self.files
            if (path := box_file(os.path.join(self.data_root, file)))
            for one in read_boxes(path)
        ]
        self._metainfo['turned_boxes'] = any(one['box'][6] for one in found)
        labels = {one['label'] for one in found}
        unlisted = sorted(labels - set(listed.values()))
        if listed and unlisted:
            log_once(
                f'{self.data_root}: boxes of {unlisted} are left out, which '
                f'{CLASS_LIST} does not list'
            )
        return list(listed.values()) or sorted(labels)


@functools.cache
def find_labels(
    path: str, state: int, labels: int | str, columns: tuple[str, ...]
) -> frozenset[int]:
    """Find the labels that points of a scan have.

    The config and each split ask for them; the file is read once.

    Args:
        path: The scan.
        state: When it was changed.
        labels: See `SceneFolder`.
        columns: See `SceneFolder`.

    Raises:
        BadSampleError: If they are missing, or no whole numbers.
    """
    points, _, names = read_cloud(path)
    values = np.unique(take_labels(points, names or columns, labels, path))
    whole = np.round(np.nan_to_num(values, nan=0.5))
    if not np.array_equal(whole, values):
        raise BadSampleError(
            path,
            'expected whole numbers as labels, got '
            f'{values[whole != values][:3].tolist()}',
        )
    return frozenset(whole.astype(int).tolist())


def read_class_list(path: str) -> dict[int, str]:
    """Read classes by their labels; none where there is no such file.

    Args:
        path: Text with a name, or a label and a name, in each line.
    """
    if not os.path.isfile(path):
        return {}
    with reading(path, 'a name, or a label and a name, in each line'):
        with open(path, encoding='utf-8-sig') as file:
            lines = [line.strip() for line in file]
        named = [line for line in lines if line and line[0] != '#']
        matches = [_LABEL_AND_NAME.fullmatch(line) for line in named]
        found = dict(enumerate(named))
        if all(matches):
            found = {int(match[1]): match[2] for match in matches if match}
        if len(found) < len(named):
            raise ValueError(f'{len(named)} lines name {len(found)} labels')
    return dict(sorted(found.items()))


def box_file(path: str) -> str | None:
    """Find the file of a scan's boxes, beside it; None without one.

    Args:
        path: The scan, ``a.ply``; its boxes are in ``a.json``, ``a.csv``,
            ``a.ply.json`` or ``a.ply.csv``.
    """
    for stem in (os.path.splitext(path)[0], path):
        for suffix in BOX_SUFFIXES:
            if os.path.isfile(stem + suffix):
                return stem + suffix
    return None


def read_boxes(path: str) -> list[dict]:
    """Read boxes: ``label``, and ``box``, 7 numbers.

    They are the middle and the sizes along the axes of the scan, in its
    coordinates, and the angle about its up axis, counter-clockwise.

    Args:
        path: A ``.json`` as ``mmdet3d-act predict`` writes it, or a ``.csv``
            with columns label, x, y, z, dx, dy, dz and perhaps yaw.
    """
    with reading(path, 'boxes, see docs/data.md'):
        with open(path, encoding='utf-8-sig', newline='') as file:
            if path.lower().endswith('.csv'):
                rows = [
                    dict(
                        label=row['label'],
                        center=[row[key] for key in 'xyz'],
                        size=[row[key] for key in ('dx', 'dy', 'dz')],
                        yaw=row.get('yaw') or 0,
                    )
                    for row in csv.DictReader(file, skipinitialspace=True)
                ]
            else:
                content = json.load(file)
                is_dict = isinstance(content, dict)
                rows = content['boxes'] if is_dict else content
        return [
            dict(label=str(row['label']).strip(), box=_to_box(row))
            for row in rows
        ]


def _to_box(row: dict) -> list[float]:
    numbers = [*row['center'], *row['size'], row.get('yaw', 0)]
    box = np.array(numbers, np.float64)
    if box.shape != (7,) or not np.isfinite(box).all() or min(box[3:6]) < 0:
        raise ValueError(
            'expected finite numbers: center (3), size (3) >= 0 and perhaps '
            f'yaw, got {numbers}'
        )
    return box.tolist()
