"""ShapeNetPart as the published code lays it out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, ClassVar

from mmdet3d_act.datasets.packs import PackableDataset
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice

# Synset and parts of each category, in the order that numbers both.
CATEGORIES = {
    'Airplane': ('02691156', 'body, wing, tail, engine'),
    'Bag': ('02773838', 'handle, body'),
    'Cap': ('02954340', 'crown, peak'),
    'Car': ('02958343', 'roof, hood, wheel, body'),
    'Chair': ('03001627', 'back, seat, leg, arm'),
    'Earphone': ('03261776', 'earphone, headband, wire'),
    'Guitar': ('03467517', 'head, neck, body'),
    'Knife': ('03624134', 'blade, handle'),
    'Lamp': ('03636649', 'base, shade, bracket, pole'),
    'Laptop': ('03642806', 'keyboard, screen'),
    'Motorbike': (
        '03790512',
        'gas tank, seat, wheel, handlebar, light, frame',
    ),
    'Mug': ('03797390', 'handle, cup'),
    'Pistol': ('03948459', 'barrel, handle, trigger'),
    'Rocket': ('04099429', 'body, fin, nose'),
    'Skateboard': ('04225987', 'wheel, deck, belt'),
    'Table': ('04379243', 'top, leg, drawer'),
}
_BY_SYNSET = {synset: name for name, (synset, _) in CATEGORIES.items()}
FOLDER = 'shapenetcore_partanno_segmentation_benchmark_v0_normal'


def _number_parts() -> dict[str, tuple[int, ...]]:
    parts, first = {}, 0
    for category, (_, names) in CATEGORIES.items():
        count = len(names.split(', '))
        parts[category] = tuple(range(first, first + count))
        first += count
    return parts


@DATASETS.register_module()
class ShapeNetPart(PackableDataset):
    """ShapeNetPart: 16 881 clouds of 16 categories with 50 labelled parts.

    A sample knows its category, ``shape_label`` (0 to 15, an input of the
    network) and ``shape_category``, and which labels its points may have.
    Labels of parts are global, 0 to 49; `LoadPointCloud` with
    ``label_column=6`` reads them. The meta information has ``classes``, the
    50 parts, ``categories``, and ``category_parts``, the labels of each
    category's parts.

    Args:
        data_root: ``shapenetcore_partanno_segmentation_benchmark_v0_normal``
            or the folder around it.
        split: ``'train'``, ``'val'``, ``'test'``, or ``'trainval'``, on
            which the published code trains.
        categories: Names of the categories to take; None takes all. Their
            numbers stay the same.
        **kwargs: Arguments of `PackableDataset`.

    Source: Yi et al., A Scalable Active Framework for Region Annotation in
    3D Shape Collections, 2016; the version with normals of PointNet++.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=tuple(
            f'{category.lower()} {part}'
            for category, (_, names) in CATEGORIES.items()
            for part in names.split(', ')
        ),
        categories=tuple(CATEGORIES),
        category_parts=_number_parts(),
        up_axis='y',
        normalization='unit_sphere',
    )
    SPLITS = ('train', 'val', 'test', 'trainval')
    LAYOUT = (
        'train_test_split/shuffled_{train,val,test}_file_'
        'list.json ("shape_data/<synset>/<id>" each), and <synset>/<id>.txt '
        'with rows "x y z nx ny nz part"'
    )
    REMEDY = (
        f'ShapeNetPart is the archive {FOLDER} that PointNet++ and '
        'Point-MAE use.'
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        *,
        categories: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        for category in categories or ():
            check_choice('each of categories', category, tuple(CATEGORIES))
        self.categories = tuple(
            name
            for name in CATEGORIES
            if categories is None or name in categories
        )
        super().__init__(data_root, split, **kwargs)

    @property
    def folder(self) -> str:
        """Name the folder that holds lists and points."""
        return self.inner_folder(FOLDER)

    def _list_file(self, split: str) -> str:
        name = f'shuffled_{split}_file_list.json'
        return os.path.join(self.folder, 'train_test_split', name)

    def required(self) -> list[tuple[str, str]]:
        """Name the lists."""
        return [
            (f'its list of {part} files', self._list_file(part))
            for part in self.parts
        ]

    def list_samples(self) -> list[dict]:
        """List file, split, category and possible labels of every cloud."""
        samples = []
        for part in self.parts:
            for synset, name in sorted(read_part_list(self._list_file(part))):
                category = _BY_SYNSET[synset]
                if category not in self.categories:
                    continue
                parts = self._metainfo['category_parts'][category]
                samples.append(
                    dict(
                        lidar_path=os.path.join(
                            self.folder, synset, f'{name}.txt'
                        ),
                        split=part,
                        shape_label=list(CATEGORIES).index(category),
                        shape_category=category,
                        allowed_labels=list(parts),
                    )
                )
        return samples

    def label_of(self, sample: dict) -> str:
        """Name the category, by which ``label_fraction`` divides."""
        return sample['shape_category']


def read_part_list(path: str) -> list[tuple[str, str]]:
    """Read synset and name of each cloud of a list.

    Args:
        path: A JSON list of "shape_data/<synset>/<name>".
    """
    with (
        reading(path, 'a JSON list of "shape_data/<synset>/<id>"'),
        open(path, encoding='utf-8') as file,
    ):
        parts = [entry.split('/') for entry in json.load(file)]
        entries = [(synset, name) for _, synset, name in parts]
        for synset in dict(entries):
            check_choice('synset', synset, tuple(_BY_SYNSET))
        return entries
