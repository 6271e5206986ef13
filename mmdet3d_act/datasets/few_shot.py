"""Few labels: a share of a data set's, or few-shot folds drawn from it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset

from mmdet3d_act.registry import DATASETS

SPLITS = ('train', 'test')


def draw_label_subset(
    labels: Sequence[Hashable], fraction: float, seed: int = 0
) -> list[int]:
    """Draw a share of the samples of every class.

    What is drawn of a class depends on the seed, the class and the number of
    its samples, not on other classes. A larger share holds the smaller ones
    of the same seed.

    Args:
        labels: The class of each sample: numbers or names.
        fraction: Share of each class, in (0, 1], rounded to the nearest
            number of samples, at least one.
        seed: Seed of the draw.

    Returns:
        Indices into ``labels``, ascending.
    """
    members: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    kept: list[int] = []
    for label, indices in members.items():
        generator = np.random.default_rng(
            (seed, zlib.crc32(str(label).encode()))
        )
        order = generator.permutation(len(indices))
        count = max(1, math.floor(fraction * len(indices) + 0.5))
        kept += [indices[i] for i in order[:count]]
    return sorted(kept)


class Episode(NamedTuple):
    """A drawn fold.

    Attributes:
        classes: The drawn classes; the place here is the label in the fold.
        train: Indices of the training clouds.
        test: Indices of the test clouds.
    """

    classes: list[int]
    train: list[int]
    test: list[int]


def check_episode(way: int, shot: int, fold: int) -> None:
    """Refuse numbers of classes, clouds and the fold that describe none."""
    if way < 2 or shot < 1 or fold < 0:
        raise ValueError(
            'a fold needs way >= 2, shot >= 1 and fold >= 0, got '
            f'way={way}, shot={shot}, fold={fold}'
        )


def draw_episode(
    train_labels: Sequence[int],
    test_labels: Sequence[int],
    *,
    way: int,
    shot: int,
    fold: int = 0,
    seed: int = 0,
    num_queries: int = 20,
) -> Episode:
    """Draw a fold of classes that have enough clouds, see `FewShotDraw`.

    Args:
        train_labels: Labels of the training clouds, to draw ``shot`` of each
            class from.
        test_labels: Labels of the test clouds, to draw ``num_queries`` from.
        way: Number of classes.
        shot: Number of training clouds of each class.
        fold: Number of the fold; each has a draw of its own.
        seed: Seed of the draw.
        num_queries: Number of test clouds of each class.

    Returns:
        The fold. Its indices are sorted by its labels.

    Source: Sharma & Kaul 2020, Self-supervised few-shot learning on point
    clouds, section 4.
    """
    train, test = np.asarray(train_labels), np.asarray(test_labels)
    labels, counts = np.unique(train, return_counts=True)
    fit = [
        int(label)
        for label, count in zip(labels, counts, strict=True)
        if count >= shot and (test == label).sum() >= num_queries
    ]
    if len(fit) < way:
        raise ValueError(
            f'expected {way} classes with at least {shot} training and '
            f'{num_queries} test clouds, {len(fit)} of {len(labels)} have as '
            'many; lower way, shot or num_queries'
        )
    generator = np.random.default_rng((seed, way, shot, fold))
    chosen = [int(label) for label in generator.permutation(fit)[:way]]

    def draw(present: np.ndarray, count: int) -> list[int]:
        orders = [
            generator.permutation(np.flatnonzero(present == label))
            for label in chosen
        ]
        return [int(index) for order in orders for index in order[:count]]

    return Episode(chosen, draw(train, shot), draw(test, num_queries))


@DATASETS.register_module()
class FewShotDraw(Dataset):
    """A few-shot fold that is drawn from a classification data set.

    The classes, their order, and the clouds of both splits depend on
    ``way``, ``shot``, ``fold``, ``seed`` and the lists of the data set, so
    training and test data sets with the same numbers belong together.
    Samples are labelled 0 to ``way`` - 1, and ``classes`` of the meta
    information are the drawn ones.

    Args:
        dataset: Config of the data set, of the split ``'train'`` or
            ``'test'``; the list of the other one is read too.
        way: Number of classes.
        shot: Number of training clouds of each class.
        fold: Number of the fold, from 0.
        seed: Seed of the draw.
        num_queries: Number of test clouds of each class.
        lazy_init: Whether lists are read at the first access only.
    """

    def __init__(
        self,
        dataset: dict,
        *,
        way: int = 5,
        shot: int = 10,
        fold: int = 0,
        seed: int = 0,
        num_queries: int = 20,
        lazy_init: bool = False,
    ) -> None:
        check_episode(way, shot, fold)
        cfg = dict(dataset)
        if cfg.get('split') not in SPLITS:
            raise ValueError(
                f'FewShotDraw needs a data set with a split of {SPLITS}, got '
                f'{cfg.get("split")!r}'
            )
        self.split = cfg['split']
        self.draw: dict[str, Any] = dict(
            way=way, shot=shot, fold=fold, seed=seed, num_queries=num_queries
        )
        self._cfg = cfg
        self.dataset: BaseDataset = DATASETS.build(
            cfg | dict(lazy_init=True, serialize_data=False)
        )
        self._is_ready = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """The meta information; ``classes`` are the drawn ones."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Read the lists and draw the fold."""
        if self._is_ready:
            return
        own = self.dataset
        own.full_init()
        parts = {self.split: own}
        for split in SPLITS:
            if split != self.split:
                other = dict(split=split, serialize_data=False)
                parts[split] = DATASETS.build(self._cfg | other)
        labels = {split: _labels(parts[split]) for split in SPLITS}
        episode = draw_episode(*labels.values(), **self.draw)
        names = own.metainfo['classes']
        samples = []
        for index in getattr(episode, self.split):
            sample = dict(own.data_list[index])
            sample['gt_label'] = episode.classes.index(sample['gt_label'])
            samples.append(sample)
        own.data_list = samples
        own._metainfo['classes'] = tuple(names[c] for c in episode.classes)
        self._is_ready = True

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information, see `PointCloudDataset`."""
        self.full_init()
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        """Return the number of samples."""
        self.full_init()
        return len(self.dataset)

    def __getitem__(self, idx: int) -> dict:
        """Return the sample at an index, after the pipelines."""
        self.full_init()
        return self.dataset[idx]

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Say what of both splits keeps a configured fold from being drawn."""
        inner = dict(cfg['dataset'])
        source = DATASETS.get(inner['type'])
        return [
            problem
            for split in SPLITS
            for problem in source.check_requirements(inner | dict(split=split))
        ]


def _labels(dataset: BaseDataset) -> list[int]:
    """List the labels of all samples, which must have one."""
    found = [sample.get('gt_label') for sample in dataset.data_list]
    if None in found:
        path = dataset.data_list[found.index(None)]['lidar_path']
        raise ValueError(
            f'FewShotDraw needs labelled clouds, {path} has no label; give '
            f'{type(dataset).__name__} classes'
        )
    return found
