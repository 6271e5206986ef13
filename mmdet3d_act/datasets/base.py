"""The base of the object point-cloud data sets."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Sequence

import torch
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log

from mmdet3d_act.datasets.label_subsets import (
    check_label_fraction,
    keep_label_fraction,
)
from mmdet3d_act.datasets.packed_samples import AUTO, PackedSamplesMixin
from mmdet3d_act.datasets.point_pack import PackError
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.seeding import (
    RngKey,
    epoch_stream,
    rng_key,
    seeded,
    static_stream,
    substitute_order,
)
from mmdet3d_act.registry import TRANSFORMS

ON_ERROR = ('raise', 'skip')
UP_AXES = ('x', 'y', 'z')


def build_transforms(
    pipeline: Sequence[dict | Callable] | None,
) -> list[Callable]:
    """Return the transforms of a pipeline, whatever the default scope is.

    Args:
        pipeline: Configs or built transforms.

    Returns:
        Built transforms.
    """
    return [
        TRANSFORMS.build(transform)
        if isinstance(transform, dict)
        else transform
        for transform in pipeline or ()
    ]


class SeededSampleMixin:
    """Makes a sample a function of (seed, epoch, index), for `BaseDataset`.

    Put it before `BaseDataset` in the bases. The generators of Python, NumPy
    and PyTorch's CPU are seeded around the pipeline and put back after it,
    so transforms simply draw from them. The index comes from `EpochSampler`
    as a `SampleIndex`; a plain int stands for epoch 0 and seed 0, which is
    right for validation. Transforms find the key in ``results['rng_key']``.

    ``static_pipeline`` holds the transforms whose result is the same in
    every epoch (loading, a fixed choice of points, grouping). It runs once
    per sample and process, with its own seeds from (seed, index); the result
    is kept in memory. Workers of a `DataLoader` each keep their own, for as
    long as they live: use ``persistent_workers=True``.

    A sample that a transform refuses with `BadSampleError` is an error, or
    with ``on_error='skip'`` is logged once and replaced by another one, which
    (seed, epoch, index) decides. The same happens when a transform returns
    None, as MMEngine's pipelines may, except in test mode.
    """

    def init_seeding(
        self,
        static_pipeline: Sequence[dict | Callable] | None = None,
        on_error: str = 'raise',
    ) -> None:
        """Take the mixin's options; call it before `BaseDataset.__init__`.

        Args:
            static_pipeline: Transforms that run before ``pipeline``, once.
            on_error: ``'raise'`` or ``'skip'``.

        Raises:
            ValueError: If ``on_error`` is neither.
        """
        if on_error not in ON_ERROR:
            raise ValueError(
                f'on_error must be one of {ON_ERROR}, got {on_error!r}'
            )
        self.on_error = on_error
        self.static_pipeline = Compose(build_transforms(static_pipeline))
        self._static_cache: dict[tuple[int, int], dict] = {}
        self._bad: torch.Tensor | None = None

    def full_init(self) -> None:
        """Load the list of samples."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.on_error == 'skip':
            # Shared, so that one of several workers logs, not each of them.
            self._bad = torch.zeros(len(self), dtype=torch.uint8)
            self._bad.share_memory_()

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some of the samples only.

        Args:
            indices: As `BaseDataset.get_subset_` takes them.
        """
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
        """Return the sample at an index, or None where it cannot be used."""
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
                raise BadSampleError(
                    error.path,
                    f'{error.fault}; mend or remove it, or set '
                    "on_error='skip' in the data set's config to go on "
                    'without it',
                ) from error
            self._report_bad(index, error)
            return None

    def _static_results(self, key: RngKey) -> dict | None:
        """Return the sample after the static pipeline, a copy of its own."""
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
        print_log(
            f'left out a sample: {error}',
            logger='current',
            level=logging.WARNING,
        )


class PointCloudDataset(SeededSampleMixin, PackedSamplesMixin, BaseDataset):
    """Base of data sets with one point cloud per sample.

    Arrays are read by the pipeline, or come from a pack, see
    `PackedSamplesMixin`. A sample's information holds
    ``lidar_path``, ``split`` ('train', 'val' or 'test'), ``sample_idx``, and
    where known ``gt_label`` and ``category``. The meta information states
    ``classes``, ``up_axis`` and ``normalization``, what the clouds are after
    the pipeline.

    Args:
        data_root: Folder of the data set.
        split: Part of the data set, as the class defines them.
        pipeline: Transforms of each access.
        static_pipeline: Transforms whose result is kept in memory, see
            `SeededSampleMixin`.
        on_error: ``'raise'``: a file that cannot be used is an error.
            ``'skip'``: it is logged once and another one takes its place.
        up_axis: Axis that points up, 'x', 'y' or 'z'. None keeps the
            class's.
        normalization: What the clouds are after the pipeline, such as
            'unit_sphere' or 'none'. None keeps the class's.
        packed: ``'auto'``: clouds come from packs in ``data_root`` where
            there are some. A folder: from the packs in it. None: from their
            files.
        label_fraction: Share of the samples of every class to keep, in
            (0, 1], at least one of each, see `draw_label_subset`.
        label_seed: Seed of this draw.
        **kwargs: Arguments of `BaseDataset` (``metainfo``, ``indices``,
            ``test_mode``, ``lazy_init``, ``serialize_data``).

    Raises:
        ValueError: If ``split``, ``on_error`` or ``up_axis`` is unknown,
            ``label_fraction`` is no share or there are no labels to draw
            from, or nothing is in the data set.
        FileNotFoundError: If the folder is not there or not complete.
    """

    SPLITS: tuple[str, ...] = ()
    REMEDY = ''
    LABELS_OF_EVERY_CLASS = True

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
        packed: str | None = AUTO,
        label_fraction: float = 1.0,
        label_seed: int = 0,
        **kwargs: object,
    ) -> None:
        check_label_fraction(label_fraction, label_seed)
        if self.SPLITS and split not in self.SPLITS:
            raise ValueError(
                f'split of {type(self).__name__} must be one of '
                f'{self.SPLITS}, got {split!r}'
            )
        if up_axis not in (None, *UP_AXES):
            raise ValueError(
                f'up_axis must be one of {UP_AXES}, got {up_axis!r}'
            )
        self.split = split
        self.label_fraction = label_fraction
        self.label_seed = label_seed
        self.init_seeding(static_pipeline, on_error)
        self.init_packs(packed)
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
        if not lazy_init:
            self.full_init()

    def load_data_list(self) -> list[dict]:
        """Return the information of every sample.

        Returns:
            One dict per sample.
        """
        samples = self.load_samples(self._list_from_files)
        if not samples:
            raise ValueError(
                f'{type(self).__name__} found no sample in {self.data_root} '
                f'(split {self.split!r})'
            )
        if self.label_fraction == 1:
            return samples
        kept = keep_label_fraction(
            samples,
            [self.label_of(sample) for sample in samples],
            self.label_fraction,
            self.label_seed,
            every_class=self.LABELS_OF_EVERY_CLASS,
        )
        print_log(
            f'{type(self).__name__} ({self.split}): label_fraction='
            f'{self.label_fraction} keeps {len(kept)} of {len(samples)}',
            logger='current',
        )
        return kept

    def label_of(self, sample: dict) -> object:
        """Return the class by which ``label_fraction`` divides samples.

        Args:
            sample: A sample's information.

        Returns:
            ``gt_label``; subclasses may have another one. None where there
            is no label.
        """
        return sample.get('gt_label')

    def _list_from_files(self) -> list[dict]:
        problems = self.find_problems()
        if problems:
            raise FileNotFoundError('\n'.join(problems))
        return self.list_samples()

    def list_samples(self) -> list[dict]:
        """Return the information of every sample; subclasses implement it.

        Returns:
            One dict per sample, with ``lidar_path`` and ``split``.

        Raises:
            NotImplementedError: In this class.
        """
        raise NotImplementedError(
            f'{type(self).__name__} must implement list_samples'
        )

    def find_problems(self) -> list[str]:
        """Return what keeps the data set from being read; none by default.

        Returns:
            Messages with the expected path and the remedy.
        """
        return []

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a configured data set from being read.

        Args:
            cfg: The data set's config.

        Returns:
            Messages, each with the expected path and the remedy.
        """
        arguments = {
            key: value
            for key, value in cfg.items()
            if key not in ('type', '_scope_', 'pipeline', 'static_pipeline')
        }
        arguments['lazy_init'] = True
        try:
            dataset = cls(**arguments)
            return [] if dataset.has_all_packed() else dataset.find_problems()
        except (FileNotFoundError, PackError) as error:
            return [str(error)]

    def describe_missing(self, what: str, path: str, layout: str) -> str:
        """Return the message about something missing, with the remedies.

        Args:
            what: What is missing.
            path: Where it is expected.
            layout: The expected layout, in one line.

        Returns:
            The message.
        """
        path += f' ({os.path.abspath(path)})' * (not os.path.isabs(path))
        text = (
            f'{type(self).__name__} needs {what} at {path}. Expected layout: '
            f'{layout}. The folder that holds the data sets is named by the '
            "environment variable ACT_DATA_ROOT (default 'data/')."
        )
        if self.REMEDY:
            text += f' {self.REMEDY}'
        if self.test_mode:
            text += (
                ' To train without this validation: --cfg-options '
                'val_dataloader=None val_cfg=None val_evaluator=None.'
            )
        return text
