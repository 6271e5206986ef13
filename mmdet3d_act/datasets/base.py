"""What a sample is: the base of all data sets.

A sample is a function of (seed, epoch, index) and nothing else. The
generators of Python, NumPy and PyTorch's CPU are seeded around the pipeline
and put back after it, so transforms simply draw from them.
"""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine.dataset import BaseDataset, Compose
from torch.utils.data import Dataset

from mmdet3d_act.datasets.few_shot import draw_label_subset
from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    BadSampleError,
    check_header,
)
from mmdet3d_act.datasets.seeding import (
    RngKey,
    epoch_stream,
    rng_key,
    seeded,
    static_stream,
    substitute_order,
)
from mmdet3d_act.registry import TRANSFORMS
from mmdet3d_act.text import check_choice, inform, warn

ON_ERROR = ('raise', 'skip')
UP_AXES = ('x', 'y', 'z')
Kind = TypeVar('Kind')


def build_transforms(
    pipeline: Sequence[dict | Callable] | None,
) -> list[Callable]:
    """Build the transforms of a pipeline, whatever the default scope is."""
    return [
        TRANSFORMS.build(transform)
        if isinstance(transform, dict)
        else transform
        for transform in pipeline or ()
    ]


def iter_dataset_cfgs(cfg: dict) -> Iterator[dict]:
    """Yield the configs of the innermost data sets of a config."""
    inner = [*cfg.get('datasets', ())]
    if 'dataset' in cfg:
        inner.append(cfg['dataset'])
    for one in inner:
        yield from iter_dataset_cfgs(one)
    if not inner:
        yield cfg


def iter_datasets(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the data sets inside wrappers that repeat or join."""
    inner = getattr(dataset, 'datasets', None)
    if inner is None:
        inner = [dataset.dataset] if hasattr(dataset, 'dataset') else []
    for one in inner:
        yield from iter_datasets(one)
    if not inner:
        yield dataset


class PointCloudDataset(BaseDataset):
    """Base of data sets with one point cloud per sample.

    A sample's information holds ``lidar_path``, ``split`` ('train', 'val' or
    'test'), ``sample_idx``, and where known ``gt_label`` and ``category``. The
    meta information states ``classes``, ``up_axis`` and ``normalization``,
    what the clouds are after the pipeline. A subclass lists its samples in
    `list_samples`, and says by `required` what has to be there.

    The index comes from `EpochSampler` as a `SampleIndex`; a plain int stands
    for epoch 0 and seed 0, which is right for validation. Transforms find
    the key in ``results['rng_key']``.

    A sample that a transform refuses with `BadSampleError` is an error, or
    with ``on_error='skip'`` is logged once and replaced by another one, which
    (seed, epoch, index) decides, as is one of which a transform makes None,
    except in test mode.

    Args:
        data_root: Folder of the data set.
        split: Part of the data set, as the class defines them.
        pipeline: Transforms of each access.
        static_pipeline: Transforms whose result is the same in every epoch
            (loading, a fixed choice of points, grouping). They run once per
            sample and process, with their own seeds from (seed, index), and
            the result stays in memory. Each worker of a `DataLoader` keeps its
            own for as long as it lives: use ``persistent_workers=True``.
        on_error: ``'raise'``: a file that cannot be used is an error.
            ``'skip'``: it is logged once and another one takes its place.
        up_axis: Axis that points up, 'x', 'y' or 'z'. None keeps the
            class's.
        normalization: What the clouds are after the pipeline, such as
            'unit_sphere' or 'none'. None keeps the class's.
        label_fraction: Share of the samples of every class to keep, in
            (0, 1], at least one of each, see `draw_label_subset`.
        label_seed: Seed of this draw.
        **kwargs: Arguments of `BaseDataset` (``metainfo``, ``indices``,
            ``test_mode``, ``lazy_init``, ``serialize_data``).

    Raises:
        ValueError: If an option is wrong, or nothing is in the data set.
        FileNotFoundError: If the folder is not there or not complete.
    """

    SPLITS: tuple[str | None, ...] = ()
    TRAINVAL: tuple[str, ...] = ('train', 'val')
    LAYOUT = ''
    REMEDY = ''
    # Keys of a sample's information that name files, looked for in advance.
    FILES: tuple[str, ...] = ('lidar_path',)
    _metainfo: dict

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        *,
        pipeline: Sequence[dict | Callable] | None = None,
        static_pipeline: Sequence[dict | Callable] | None = None,
        on_error: str = 'raise',
        up_axis: str | None = None,
        normalization: str | None = None,
        label_fraction: float = 1.0,
        label_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        check_choice('on_error', on_error, ON_ERROR)
        named = (kwargs.get('metainfo') or {}).get('classes')
        if isinstance(named, str) and not os.path.isfile(named):
            raise ValueError(
                'classes of metainfo must be a sequence of names, got '
                f'{named!r}; a single one is ({named!r},), with the comma'
            )
        check_choice('up_axis', up_axis, (None, *UP_AXES))
        if not 0 < label_fraction <= 1:
            raise ValueError(
                'label_fraction must be in (0, 1], such as 0.01 for one '
                f'percent, got {label_fraction}'
            )
        if self.SPLITS:
            check_choice(f'split of {type(self).__name__}', split, self.SPLITS)
        self.split = split
        self.on_error = on_error
        self.label_fraction = label_fraction
        self.label_seed = label_seed
        self.static_pipeline = Compose(build_transforms(static_pipeline))
        self._static_cache: dict[tuple[int, int], dict] = {}
        self._bad: torch.Tensor | None = None
        self._clouds: Sequence[np.ndarray] | None = None
        lazy_init = kwargs.pop('lazy_init', False)
        super().__init__(
            data_root=os.path.normpath(data_root),
            data_prefix={},
            pipeline=build_transforms(pipeline),
            lazy_init=True,
            **kwargs,
        )
        if up_axis is not None:
            self._metainfo['up_axis'] = up_axis
        if normalization is not None:
            self._metainfo['normalization'] = normalization
        self.describe()
        if not lazy_init:
            self.full_init()

    def describe(self) -> None:
        """Complete the meta information, before any sample is listed."""

    def full_init(self) -> None:
        """Load the list of samples."""
        if self._fully_initialized:
            return
        # MMEngine collects garbage: of what is new, not of all modules, which
        # tools have frozen already.
        if gc.get_freeze_count():
            super().full_init()
        else:
            gc.freeze()
            super().full_init()
            gc.unfreeze()
        if self.on_error == 'skip':
            # Shared, so that one of several workers logs, not each of them.
            self._bad = torch.zeros(len(self), dtype=torch.uint8)
            self._bad.share_memory_()

    # The list of samples.

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The splits that this one consists of, in order."""
        return self.TRAINVAL if self.split == 'trainval' else (self.split,)

    def load_data_list(self) -> list[dict]:
        """List the samples that are kept, see ``label_fraction``."""
        samples = self.load_samples()
        if not samples:
            raise ValueError(
                f'{type(self).__name__} found no sample in {self.data_root} '
                f'(split {self.split!r}){self.explain_nothing()}'
            )
        if self.label_fraction == 1:
            return samples
        labels = [self.label_of(sample) for sample in samples]
        if None in labels:
            path = samples[labels.index(None)]['lidar_path']
            raise ValueError(
                f'label_fraction={self.label_fraction} divides labelled '
                f'samples, {path} has no label; give the data set classes, '
                'or leave label_fraction out'
            )
        kept = draw_label_subset(labels, self.label_fraction, self.label_seed)
        inform(
            f'{type(self).__name__} ({self.split}): label_fraction='
            f'{self.label_fraction} keeps {len(kept)} of {len(samples)}'
        )
        return [samples[index] for index in kept]

    def load_samples(self) -> list[dict]:
        """List all samples, or say which files are missing."""
        problems = self.find_problems()
        if problems:
            raise FileNotFoundError('\n'.join(problems))
        return self.list_samples()

    def list_samples(self) -> list[dict]:
        """List all samples; subclasses implement it."""
        raise NotImplementedError

    def list_archive(
        self,
        clouds: Sequence[np.ndarray],
        labels: Sequence[int],
        **info: object,
    ) -> list[dict]:
        """List the clouds of `archive`, which stay in memory.

        A sample is called ``file#number``. Processes that are forked share
        the clouds, others get a copy.

        Args:
            clouds: Arrays (N, 3 + F).
            labels: As many, in [0, number of classes).
            **info: What else the information of each holds.
        """
        classes = self._metainfo['classes']
        wrong = set(labels) - set(range(len(classes)))
        if wrong:
            raise ValueError(
                f'{self.archive}: expected labels in [0, {len(classes)}), got '
                f'{min(wrong)}'
            )
        self._clouds = clouds
        return [
            dict(
                lidar_path=f'{self.archive}#{number}',
                archive_index=number,
                **info,
                split=self.split,
                gt_label=label,
                category=classes[label],
            )
            for number, label in enumerate(labels)
        ]

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information, with its cloud where it is held."""
        info = super().get_data_info(idx)
        if self._clouds is not None:
            info['raw_points'] = self._clouds[info['archive_index']]
        return info

    def label_of(self, sample: dict) -> object:
        """Name the class by which ``label_fraction`` divides samples."""
        return sample.get('gt_label')

    def get_cat_ids(self, idx: int) -> list[int]:
        """Give the class of a sample, as `ClassBalancedDataset` wants it."""
        return [self.get_data_info(idx)['gt_label']]

    @property
    def archive(self) -> str | None:
        """Name the file that all clouds are in, if they are in one."""
        return None

    # What is missing.

    def required(self) -> list[tuple[str, str]]:
        """Name what has to be there: what it is, and its path."""
        return []

    def find_problems(self) -> list[str]:
        """Say what keeps the data set from being read, at most one message.

        Single files are not missed where ``on_error='skip'``.
        """
        for what, path in self.required():
            if not os.path.exists(path):
                return [self.describe_missing(what, path)]
        if self.on_error == 'skip' or self.archive is not None:
            return []
        listed = [s[k] for s in self.list_samples() for k in self.FILES]
        present: dict[str, set[str]] = {}
        missing = []
        for path in dict.fromkeys(listed):
            folder, name = os.path.split(path)
            if folder not in present:
                there = os.path.isdir(folder)
                present[folder] = set(os.listdir(folder) if there else ())
            if name not in present[folder]:
                missing.append(path)
        if not missing:
            return []
        return [
            f'{type(self).__name__}: {len(missing)} of {len(listed)} listed '
            f'files are missing, for example {missing[0]}. Complete the data, '
            "or set on_error='skip' in the data set's config to go on without "
            'them.'
        ]

    def find_faults(self) -> list[str]:
        """Open the files of all clouds, and say which cannot be used."""
        faults = []
        for index in range(len(self)):
            path = self.get_data_info(index)['lidar_path']
            if not path.lower().endswith(POINT_FILE_SUFFIXES):
                continue  # '.bin' files have no header
            try:
                check_header(path)
            except BadSampleError as error:
                faults.append(str(error))
        return faults

    def explain_nothing(self) -> str:
        """Say more about a data set without samples, '' by default."""
        return ''

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Say what keeps a configured data set from being read."""
        left_out = ('type', '_scope_', 'pipeline', 'static_pipeline')
        options = {k: v for k, v in cfg.items() if k not in left_out}
        return cls(**options | dict(lazy_init=True)).find_problems()

    def describe_missing(self, what: str, path: str) -> str:
        """Write the message about something missing, with the remedies."""
        path += f' ({os.path.abspath(path)})' * (not os.path.isabs(path))
        text = (
            f'{type(self).__name__} needs {what} at {path}. Expected layout: '
            f'{self.LAYOUT}. The folder that holds the data sets is named by '
            "the environment variable ACT_DATA_ROOT (default 'data/')."
        )
        if self.REMEDY:
            text += f' {self.REMEDY}'
        if self.test_mode:
            text += (
                ' To train without this validation: --cfg-options '
                'val_dataloader=None val_cfg=None val_evaluator=None.'
            )
        return text

    def inner_folder(self, name: str) -> str:
        """Name the folder in ``data_root``, or this where it has none."""
        inner = os.path.join(self.data_root, name)
        return inner if os.path.isdir(inner) else self.data_root

    # One sample.

    def first_transform(self, kind: type[Kind]) -> Kind | None:
        """Find the first transform of a kind in the pipelines."""
        chain = (*self.static_pipeline.transforms, *self.pipeline.transforms)
        return next((one for one in chain if isinstance(one, kind)), None)

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some of the samples only."""
        super().get_subset_(indices)
        self._forget_samples()

    def _copy_without_annotation(self, memo: dict | None = None) -> object:
        other = super()._copy_without_annotation({} if memo is None else memo)
        other._forget_samples()
        return other

    def _forget_samples(self) -> None:
        self._static_cache = {}
        if self._bad is not None:
            self._bad = torch.zeros_like(self._bad)

    def __getitem__(self, idx: int) -> dict:
        """Return the sample at an index, after both pipelines."""
        if not self._fully_initialized:
            self.full_init()
        key = rng_key(idx, len(self))
        sample = self._make_sample(key, key.index)
        if sample is not None:
            return sample
        if self.test_mode and self.on_error == 'raise':
            raise ValueError(
                f'a transform rejected sample {key.index} in test mode'
            )
        for candidate in substitute_order(key, len(self)).tolist():
            if candidate == key.index or self._is_bad(candidate):
                continue
            sample = self._make_sample(key, candidate)
            if sample is not None:
                return sample
        raise ValueError(
            f'none of the {len(self)} samples of {type(self).__name__} can be '
            f'used (data_root {self.data_root}); the log names the faults'
        )

    def _make_sample(self, key: RngKey, index: int) -> dict | None:
        """Make the sample at an index, or None where it cannot be used."""
        own_key = key._replace(index=index)
        try:
            results = self._static_results(own_key)
            if results is None:
                return None
            results['rng_key'] = own_key
            with seeded(epoch_stream(key)):
                return self.pipeline(results)
        except BadSampleError as error:
            if self.on_error == 'raise':
                raise error.with_remedy() from error
            self._report_bad(index, error)
            return None
        except ValueError as error:
            # Transforms of others do not say of which file they speak.
            path = self.get_data_info(index)['lidar_path']
            if path in str(error):
                raise
            raise ValueError(f'{path}: {error}') from error

    def _static_results(self, key: RngKey) -> dict | None:
        """Give the sample after the static pipeline, a copy of its own."""
        if not self.static_pipeline.transforms:
            return self.get_data_info(key.index)
        name = key.seed, key.index
        if name not in self._static_cache:
            results = self.get_data_info(key.index)
            results['rng_key'] = key._replace(epoch=0)
            with seeded(static_stream(key)):
                results = self.static_pipeline(results)
            if results is None:
                return None
            self._static_cache[name] = results
        return copy.deepcopy(self._static_cache[name])

    def _is_bad(self, index: int) -> bool:
        return self._bad is not None and bool(self._bad[index])

    def _report_bad(self, index: int, error: BadSampleError) -> None:
        if self._is_bad(index):
            return
        self._bad[index] = 1
        warn(f'left out a sample: {error}')


def read_lines(path: str) -> list[str]:
    """Read the lines of a text file that are not blank, stripped."""
    with open(path, encoding='utf-8') as file:
        return [line.strip() for line in file if line.strip()]
