"""A folder of point files as a data set."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from mmengine.logging import print_log

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.cloud_folder import CloudFolder, FolderEntry
from mmdet3d_act.datasets.listing import describe_missing_files
from mmdet3d_act.datasets.orientation import (
    Guess,
    guess_normalization,
    guess_unit,
    guess_up_axis,
)
from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    BadSampleError,
    read_points,
)
from mmdet3d_act.datasets.split_lists import SPLIT_NAMES, sort_labels
from mmdet3d_act.registry import DATASETS

AUTO = 'auto'
_LAYOUT = (
    f'files that end in one of {", ".join(POINT_FILE_SUFFIXES)}, in the '
    'folder and its sub-folders; with a split, in <split>/ or '
    '<class>/<split>/, or named in <split>.txt, .csv or .json; with '
    'classes, in a sub-folder per class'
)
# Clouds that a guess looks at, and points drawn on their meshes.
_LOOKED_AT = 32
_MESH_POINTS = 2048
_CLASS_SOURCES = ('folders', 'lists')


@DATASETS.register_module()
class PointFolder(PointCloudDataset):
    """The point files of a folder, with or without splits and classes.

    Files are found in all sub-folders, in the order of their names.
    ``docs/data.md`` describes formats, layouts and lists.

    Args:
        data_root: The folder.
        split: ``'train'``, ``'val'`` or ``'test'``: the files of the split's
            list, or of the sub-folder of this name, ``<split>/`` or
            ``<class>/<split>/``. ``'trainval'``: all of these splits that
            exist. None: the folder itself, as one training set.
        classes: ``'folders'``: the sub-folders are the classes, numbered in
            the order of their names over all splits. ``'lists'``: the labels
            in the lists are. A sequence of names: the classes in this order;
            another one is an error. None: no labels.
        split_list: Path of the lists of files, from ``data_root``;
            ``{split}`` in it stands for the split. None looks for
            ``{split}`` and ``splits`` with .txt, .csv or .json.
        split_ratio: Shares of train, val and test, such as (0.8, 0.1, 0.1),
            to divide the files of the folder at random, class by class.
        split_seed: Seed of this draw.
        suffixes: Suffixes of the files to take, such as ('.npy',). None
            takes all that can be read.
        up_axis: Axis that points up, 'x', 'y' or 'z'. ``'auto'`` guesses it.
            None assumes 'y'.
        normalization: What the clouds are after the pipeline. ``'auto'``
            guesses it. None says ``'unit_sphere'``, which
            `NormalizeToUnitSphere` in a pipeline makes true. What is guessed
            or assumed is logged, and ``metainfo['guessed']`` tells why.
        **kwargs: Arguments of `PointCloudDataset`.

    Raises:
        ValueError: If the split is unknown, or a file, list or folder does
            not fit the classes.

    Example:
        >>> pipeline = [dict(type='LoadPointCloud')]
        >>> data = PointFolder(
        ...     'data/real_shapes', 'train', classes='folders',
        ...     pipeline=pipeline)
        >>> data.metainfo['classes'][:2]
        ('airplane', 'bag')
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(), up_axis='y', normalization='unit_sphere'
    )
    SPLITS = (None, *SPLIT_NAMES, 'trainval')
    REMEDY = (
        "Set data_root in the data set's config to the folder with your "
        'clouds; configs/act/act_*_folder*.py take it from the environment '
        'variable ACT_CLOUDS.'
    )

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        classes: str | Sequence[str] | None = None,
        split_list: str | None = None,
        split_ratio: Sequence[float] | None = None,
        split_seed: int = 0,
        suffixes: Sequence[str] | None = None,
        up_axis: str | None = None,
        normalization: str | None = None,
        **kwargs: object,
    ) -> None:
        if isinstance(classes, str) and classes not in _CLASS_SOURCES:
            raise ValueError(
                "classes must be 'folders', 'lists', a sequence of names or "
                f'None, got {classes!r}'
            )
        self.class_option = classes
        self.asked = dict(
            classes=classes,
            split_list=split_list,
            split_ratio=split_ratio,
            split_seed=split_seed,
            suffixes=suffixes,
        )
        self.stated = dict(up_axis=up_axis, normalization=normalization)
        self.layout = CloudFolder(
            os.path.normpath(data_root),
            suffixes=suffixes,
            split_list=split_list,
            split_ratio=split_ratio,
            split_seed=split_seed,
        )
        lazy_init = kwargs.pop('lazy_init', False)
        super().__init__(
            data_root,
            split,
            up_axis=None if up_axis == AUTO else up_axis,
            normalization=None if normalization == AUTO else normalization,
            lazy_init=True,
            **kwargs,
        )
        self._metainfo['classes'] = self._find_classes()
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Load the list of samples; state what is guessed and assumed."""
        if self._fully_initialized:
            return
        super().full_init()
        self._describe_clouds()

    def pack_parts(self) -> tuple[str | None, ...]:
        """Return the splits that this one consists of.

        Returns:
            Those of 'trainval' that are there, otherwise the split itself.
        """
        if self.split != 'trainval':
            return (self.split,)
        return tuple(
            part
            for part in SPLIT_NAMES
            if self.layout.has_split(part)
            or os.path.isfile(self.pack_file(part))
        )

    def list_options(self) -> dict:
        """Return what the list of samples depends on, besides the split.

        Returns:
            Arguments as they were given.
        """
        return {
            key: value if isinstance(value, str | int | None) else list(value)
            for key, value in self.asked.items()
        }

    def list_sources(self) -> list[str]:
        """Return the lists of files.

        Returns:
            Their paths.
        """
        return self.layout.list_sources()

    def find_problems(self) -> list[str]:
        """Return what of the layout is missing.

        Returns:
            Messages with the expected path and the remedy.
        """
        parts = self.pack_parts()
        if not any(map(self.layout.has_split, parts)):
            path, what = self.data_root, 'a folder'
            if self.split not in (None, 'trainval'):
                path = os.path.join(path, self.split)
            if self.layout.split_list is not None:
                path, what = self.layout.find_list(self.split), 'a list'
            text = self.describe_missing(what, path, _LAYOUT)
            if self.split is not None and self.layout.find_files():
                text += (
                    f' {self.data_root} has clouds without a split: leave '
                    'split out to take them all, or draw splits by '
                    'split_ratio=(0.8, 0.1, 0.1).'
                )
            return [text]
        if self.on_error == 'skip':
            return []
        names = [
            os.path.relpath(entry.path, self.data_root)
            for part in parts
            if self.layout.find_list(part) is not None
            for entry in self.layout.list_entries(part)
        ]
        return describe_missing_files(
            type(self).__name__, self.data_root, names
        )

    def list_samples(self) -> list[dict]:
        """Return file, split and, with classes, label of every cloud.

        Returns:
            One dict per sample.
        """
        samples = []
        for split in self.pack_parts():
            for entry in self.layout.list_entries(split):
                sample = dict(lidar_path=entry.path, split=split or 'train')
                if self.class_option is not None:
                    sample.update(self._label(entry))
                samples.append(sample)
        self._warn_of_twins([sample['lidar_path'] for sample in samples])
        return samples

    def _find_classes(self) -> tuple[str, ...]:
        """Return the classes, of every split so that labels agree."""
        source = self.class_option
        if not isinstance(source, str):
            return tuple(source or ())
        splits = [None] if self.split is None else SPLIT_NAMES
        entries = [e for s in splits for e in self.layout.list_entries(s)]
        if source == 'lists':
            return tuple(sort_labels({e.label for e in entries if e.label}))
        names = {entry.folder for entry in entries if entry.folder}
        if self.split is None and names and names <= set(SPLIT_NAMES):
            raise ValueError(
                f'the sub-folders of {self.data_root} are splits, '
                f'{sorted(names)}, not classes; name one with split'
            )
        return tuple(sorted(names))

    def _label(self, entry: FolderEntry) -> dict:
        """Return category and number of a cloud."""
        classes = self._metainfo['classes']
        name = entry.folder
        if self.class_option != 'folders' and entry.label is not None:
            name = entry.label
            if name not in classes and name.isdecimal():
                name = dict(enumerate(classes)).get(int(name), name)
        elif self.class_option == 'lists':
            name = None
        if name not in classes:
            where = os.path.dirname(entry.path)
            text = (
                f'{entry.path} is in no class folder; expected it in a '
                f'sub-folder of {self.data_root} named as one of '
                f'{list(classes)}, it is in {where}'
            )
            if entry.label is not None or self.class_option == 'lists':
                text = (
                    f'{entry.path} has the label {entry.label!r} in its '
                    f'list; expected one of {list(classes)}'
                )
            raise ValueError(text)
        return dict(category=name, gt_label=classes.index(name))

    def _warn_of_twins(self, paths: list[str]) -> None:
        stems = [os.path.splitext(path)[0] for path in paths]
        if len(set(stems)) < len(stems):
            _log_once(
                f'{self.data_root}: {len(stems) - len(set(stems))} of '
                f'{len(stems)} files differ from another in the suffix only; '
                'if they are the same clouds, name one suffix in suffixes',
                logging.WARNING,
            )

    def _describe_clouds(self) -> None:
        """Fill in what nobody stated about the clouds, and say so."""
        normalizes = any(
            type(transform).__name__ == 'NormalizeToUnitSphere'
            for pipeline in (self.static_pipeline, self.pipeline)
            for transform in pipeline.transforms
        )
        stated = dict(self.stated)
        if normalizes and stated['normalization'] in (None, AUTO):
            stated['normalization'] = 'unit_sphere'
            self._metainfo['normalization'] = 'unit_sphere'
        assumed = [key for key, value in stated.items() if value is None]
        if assumed:
            values = {key: self._metainfo[key] for key in assumed}
            _log_once(
                f'{self.data_root}: assumed, as nothing is stated: {values}; '
                f'state them as options of PointFolder, or {AUTO!r} to guess',
                logging.WARNING,
            )
        if AUTO in stated.values():
            guesses = self._guess(
                [key for key, value in stated.items() if value == AUTO]
            )
            self._metainfo['guessed'] = {
                key: guess.reason for key, guess in guesses.items()
            }
            for key, guess in guesses.items():
                self._metainfo[key] = guess.value
                _log_guess(self.data_root, key, guess)

    def _guess(self, keys: list[str]) -> dict[str, Guess]:
        """Return guesses from clouds of all splits, so that these agree."""
        if set(keys) <= set(self.packed_guesses):
            # The files are gone; this is what they were taken for.
            return {
                key: Guess(value, reason, False)
                for key, (value, reason) in self.packed_guesses.items()
                if key in (*keys, 'unit')
            }
        files = self.layout.find_files()
        if not files:
            files = [s['lidar_path'] for s in self.load_data_list()]
        if keys == ['up_axis'] and all(
            file.lower().endswith(('.glb', '.gltf')) for file in files
        ):
            return {'up_axis': Guess('y', 'glTF says that y is up', False)}
        picked = np.linspace(0, len(files) - 1, _LOOKED_AT).round()
        clouds = []
        for index in np.unique(picked.astype(int)).tolist():
            try:
                clouds.append(
                    read_points(
                        os.path.join(self.data_root, files[index]),
                        mesh_points=_MESH_POINTS,
                    )
                )
            except BadSampleError:
                # It is reported where it is used.
                continue
        if not clouds:
            raise ValueError(
                f'none of the {len(picked)} files looked at in '
                f'{self.data_root} can be read, so nothing can be guessed; '
                f'state {keys} as options of PointFolder'
            )
        guesses = {}
        if 'up_axis' in keys:
            guesses['up_axis'] = guess_up_axis(clouds)
        if 'normalization' in keys:
            guesses['normalization'] = guess_normalization(clouds)
            if guesses['normalization'].value == 'none':
                guesses['unit'] = guess_unit(clouds)
        return guesses


def _log_guess(folder: str, key: str, guess: Guess) -> None:
    level = logging.WARNING if guess.is_unsure else logging.INFO
    _log_once(
        f'{folder}: guessed {key}={guess.value!r}'
        f'{", not sure" if guess.is_unsure else ""}: {guess.reason}; state '
        'it in the config if this is wrong',
        level,
    )


@functools.cache
def _log_once(text: str, level: int = logging.INFO) -> None:
    print_log(text, logger='current', level=level)
