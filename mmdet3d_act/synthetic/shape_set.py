"""Sets of shapes in the layouts of ShapeNet-55, probes and ShapeNetPart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mmdet3d_act.io import write_json

from .category import category_names, get_category, stream
from .file_set import FileSet, write_array, write_bytes, write_rows
from .shape_scan import Cloud, ScanOptions, scan_shape

PRETRAIN_ROOT = 'ShapeNet55-34'
PROBE_ROOT = 'procscan'
PARTS_ROOT = 'procscan_parts'

_LISTS = {
    'pretrain': f'{PRETRAIN_ROOT}/ShapeNet-55/train.txt',
    'pretrain_test': f'{PRETRAIN_ROOT}/ShapeNet-55/test.txt',
}
_PART_LIST = PARTS_ROOT + '/train_test_split/shuffled_{}_file_list.json'
_LABELLED = ('train', 'val', 'test')


class CloudTask(NamedTuple):
    """One cloud to make.

    Attributes:
        split: 'pretrain', 'pretrain_test', 'train', 'val' or 'test'.
        name: Category.
        number: Of the object within split and category.
    """

    split: str
    name: str
    number: int

    @property
    def path(self) -> str:
        """Where the cloud goes, relative to the set's folder."""
        if self.split in _LABELLED:
            stem = f'{self.name}_{self.number:04d}'
            return f'{PROBE_ROOT}/{self.split}/{self.name}/{stem}.npy'
        synset = get_category(self.name).synset
        file = f'{synset}-{self.split}{self.number:05d}.npy'
        return f'{PRETRAIN_ROOT}/shapenet_pc/{file}'

    @property
    def parts_path(self) -> str:
        """Where the cloud with part labels goes."""
        stem = f'{self.split}_{self.name}_{self.number:04d}'
        return f'{PARTS_ROOT}/{get_category(self.name).synset}/{stem}.txt'


@dataclasses.dataclass(frozen=True)
class ShapeSet(FileSet):
    """Clouds of objects, unlabelled and labelled.

    Args:
        num_pretrain: Unlabelled training clouds, over all categories.
        num_pretrain_test: Unlabelled test clouds, over all categories.
        num_train_per_class: Labelled training clouds per category.
        num_val_per_class: Labelled clouds per category for choosing settings.
        num_test_per_class: Labelled test clouds per category.
        num_points: Points per cloud.
        scan: Complete clouds or one-sided scans, noise, tilt, clutter.
        seed: Seed of every random stream, at least 0.
        categories: Names of the categories; empty means all.
        parts: Write the labelled clouds with part labels as well.
    """

    num_pretrain: int = 1200
    num_pretrain_test: int = 120
    num_train_per_class: int = 40
    num_val_per_class: int = 20
    num_test_per_class: int = 40
    num_points: int = 2048
    scan: ScanOptions = dataclasses.field(default_factory=ScanOptions)
    seed: int = 0
    categories: tuple[str, ...] = ()
    parts: bool = False

    manifest = 'synthetic_manifest.json'
    version = 3
    folders = (PRETRAIN_ROOT, PROBE_ROOT, PARTS_ROOT)
    counts = (
        *(f'num_{split}' for split in _LISTS),
        *(f'num_{split}_per_class' for split in _LABELLED),
    )
    least: ClassVar = dict(num_points=16, seed=0, noise=0, tilt=0, clutter=0)

    def __post_init__(self) -> None:
        """Check the ranges and fill in the categories."""
        super().__post_init__()
        names = {*(self.categories or category_names())}
        for name in names:
            get_category(name)
        object.__setattr__(self, 'categories', tuple(sorted(names)))

    def tasks(self) -> list[CloudTask]:
        """List the clouds, unlabelled ones first."""
        names = self.categories
        return [
            *(
                CloudTask(split, names[at % len(names)], at // len(names))
                for split in _LISTS
                for at in range(getattr(self, f'num_{split}'))
            ),
            *(
                CloudTask(split, name, number)
                for split in _LABELLED
                for name in names
                for number in range(getattr(self, f'num_{split}_per_class'))
            ),
        ]

    def files(self, task: CloudTask) -> list[str]:
        """List the files of a cloud."""
        with_parts = self.parts and task.split in _LABELLED
        return [task.path, task.parts_path] if with_parts else [task.path]

    def cloud(self, task: CloudTask) -> Cloud:
        """Make a cloud; the same on every call."""
        rng = stream(self.seed, *task)
        shape = get_category(task.name).draw(rng)
        return scan_shape(shape, self.num_points, self.scan, rng)

    def make(self, root: Path, task: CloudTask) -> None:
        """Make a cloud and write its files."""
        cloud = self.cloud(task)
        if self.parts and task.split in _LABELLED:
            # Clutter belongs to no part.
            own = cloud.labels >= 0
            labels = cloud.labels[own] + self._part_offsets()[task.name]
            rows = [cloud.points[own], cloud.normals[own], labels]
            layout = '%.5f %.5f %.5f %.4f %.4f %.4f %.1f'
            write_rows(root / task.parts_path, np.column_stack(rows), layout)
        write_array(root / task.path, cloud.points)

    def make_lists(self, root: Path) -> None:
        """Write the files that list and describe the clouds."""
        tasks = self.tasks()
        for split, path in _LISTS.items():
            names = [Path(t.path).name for t in tasks if t.split == split]
            _write_lines(root / path, names)
        write_json(root / 'categories.json', self._description())
        if not self.parts:
            return
        synsets = [
            f'{name}\t{get_category(name).synset}' for name in self.categories
        ]
        _write_lines(root / PARTS_ROOT / 'synsetoffset2category.txt', synsets)
        for split in _LABELLED:
            listed = [
                task.parts_path.replace(PARTS_ROOT, 'shape_data')[:-4]
                for task in tasks
                if task.split == split
            ]
            write_json(root / _PART_LIST.format(split), listed)

    def _part_offsets(self) -> dict[str, int]:
        """Number the first part of each category, as ShapeNetPart does."""
        parts = [get_category(name).part_names for name in self.categories]
        ends = np.cumsum([len(names) for names in parts]).tolist()
        return dict(zip(self.categories, [0, *ends], strict=False))

    def _description(self) -> dict[str, Any]:
        """Describe the categories: synsets, numbers of parts."""
        categories = {}
        for name, offset in self._part_offsets().items():
            kind = get_category(name)
            categories[name] = {
                'synset': kind.synset,
                'in_shapenet': not kind.synset.startswith('99'),
                'parts': {
                    part: offset + place
                    for place, part in enumerate(kind.part_names)
                },
            }
        return {
            'origin': 'made up by procedure, no real object is behind it',
            'up_axis': 'y',
            'normalization': 'unit sphere around the mean',
            'categories': categories,
        }


def _write_lines(path: Path, lines: list[str]) -> None:
    write_bytes(path, ''.join(f'{line}\n' for line in lines).encode())
