"""Sets of shapes in the layouts of ShapeNet-55 and of probes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, NamedTuple

from mmdet3d_act.io import write_bytes

from .category import category_names, get_category, stream
from .file_set import FileSet, write_array
from .shape_scan import Cloud, ScanOptions, scan_shape

PRETRAIN_ROOT = 'ShapeNet55-34'
PROBE_ROOT = 'procscan'

_LISTS = {
    'pretrain': f'{PRETRAIN_ROOT}/ShapeNet-55/train.txt',
    'pretrain_test': f'{PRETRAIN_ROOT}/ShapeNet-55/test.txt',
}
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

    manifest = 'synthetic_manifest.json'
    version = 3
    folders = (PRETRAIN_ROOT, PROBE_ROOT)
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
        return [task.path]

    def cloud(self, task: CloudTask) -> Cloud:
        """Make a cloud; the same on every call."""
        rng = stream(self.seed, *task)
        shape = get_category(task.name).draw(rng)
        return scan_shape(shape, self.num_points, self.scan, rng)

    def make(self, root: Path, task: CloudTask) -> None:
        """Make a cloud and write its file."""
        write_array(root / task.path, self.cloud(task).points)

    def make_lists(self, root: Path) -> None:
        """Write the files that list the unlabelled clouds."""
        for split, path in _LISTS.items():
            tasks = (task for task in self.tasks() if task.split == split)
            lines = [f'{Path(task.path).name}\n' for task in tasks]
            write_bytes(root / path, ''.join(lines).encode())
