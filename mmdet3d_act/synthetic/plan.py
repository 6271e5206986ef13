"""What a set of made-up shapes consists of: options, files, streams."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from .catalog import category_names, get_category
from .scan import ScanOptions

# Raise it whenever the same options would give other clouds than before.
GENERATOR_VERSION = 1

PRETRAIN_ROOT = 'ShapeNet55-34'
PROBE_ROOT = 'procscan'
PARTS_ROOT = 'procscan_parts'


class Job(NamedTuple):
    """One cloud to make.

    Attributes:
        split: Which random stream: 'pretrain', 'pretrain_test', 'train',
            'val' or 'test'.
        name: Category.
        index: Number of the object within split and category.
        path: Where the cloud goes, relative to the set's folder.
        parts_path: Where the cloud with part labels goes, or ''.
    """

    split: str
    name: str
    index: int
    path: str
    parts_path: str = ''


@dataclasses.dataclass(frozen=True)
class SetOptions:
    """What a set holds; two sets with equal options are equal files.

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

    Raises:
        ValueError: If a number is out of its range or a category unknown.
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

    def __post_init__(self) -> None:
        """Check the ranges and fill in the categories."""
        counts = [
            field.name
            for field in dataclasses.fields(self)
            if field.name.startswith('num_') or field.name == 'seed'
        ]
        for name in counts:
            low = 16 if name == 'num_points' else 0
            if getattr(self, name) < low:
                raise ValueError(
                    f'{name} must be at least {low}, got '
                    f'{getattr(self, name)}; raise it'
                )
        names = self.categories or tuple(category_names())
        if len(set(names)) != len(names):
            raise ValueError(
                f'categories must differ, got {names}; name each once'
            )
        for name in names:
            get_category(name)
        object.__setattr__(self, 'categories', tuple(sorted(names)))

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON keeps them."""
        values = dataclasses.asdict(self)
        return {**values, 'categories': list(self.categories)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SetOptions:
        """Return the options that :meth:`to_dict` wrote."""
        scan = ScanOptions(**values['scan'])
        categories = tuple(values['categories'])
        return cls(**{**values, 'scan': scan, 'categories': categories})


def plan_jobs(options: SetOptions) -> list[Job]:
    """Return all clouds of a set, unlabelled ones first.

    Args:
        options: What the set holds.
    """
    jobs = []
    for split, number in (
        ('pretrain', options.num_pretrain),
        ('pretrain_test', options.num_pretrain_test),
    ):
        for position in range(number):
            index, at = divmod(position, len(options.categories))
            name = options.categories[at]
            file = f'{get_category(name).synset}-{split}{index:05d}.npy'
            path = f'{PRETRAIN_ROOT}/shapenet_pc/{file}'
            jobs.append(Job(split, name, index, path))
    for split, number in (
        ('train', options.num_train_per_class),
        ('val', options.num_val_per_class),
        ('test', options.num_test_per_class),
    ):
        for name in options.categories:
            for index in range(number):
                jobs.append(_labelled_job(split, name, index, options.parts))
    return jobs


def _labelled_job(split: str, name: str, index: int, parts: bool) -> Job:
    """Return the job of one labelled cloud."""
    stem = f'{name}_{index:04d}'
    path = f'{PROBE_ROOT}/{split}/{name}/{stem}.npy'
    synset = get_category(name).synset
    parts_path = f'{PARTS_ROOT}/{synset}/{split}_{stem}.txt' if parts else ''
    return Job(split, name, index, path, parts_path)


def index_files(options: SetOptions) -> dict[str, Any]:
    """Return the files that list and describe the clouds.

    Args:
        options: What the set holds.

    Returns:
        Content by path relative to the set's folder: text, or what JSON
        shall hold.
    """
    jobs = plan_jobs(options)
    lists = {'train': 'pretrain', 'test': 'pretrain_test'}
    files: dict[str, Any] = {
        f'{PRETRAIN_ROOT}/ShapeNet-55/{name}.txt': ''.join(
            job.path.rsplit('/', 1)[1] + '\n'
            for job in jobs
            if job.split == split
        )
        for name, split in lists.items()
    }
    files['categories.json'] = describe_categories(options)
    if not options.parts:
        return files
    synsets = {name: get_category(name).synset for name in options.categories}
    files[f'{PARTS_ROOT}/synsetoffset2category.txt'] = ''.join(
        f'{name}\t{synset}\n' for name, synset in synsets.items()
    )
    for split in ('train', 'val', 'test'):
        listed = [
            'shape_data/' + job.parts_path.split('/', 1)[1][: -len('.txt')]
            for job in jobs
            if job.split == split
        ]
        name = f'train_test_split/shuffled_{split}_file_list.json'
        files[f'{PARTS_ROOT}/{name}'] = listed
    return files


def describe_categories(options: SetOptions) -> dict[str, Any]:
    """Return what `categories.json` says: synsets, parts, origin.

    Args:
        options: What the set holds.
    """
    offsets = part_offsets(options)
    return {
        'origin': 'made up by procedure, no real object is behind it',
        'up_axis': 'y',
        'normalization': 'unit sphere around the mean',
        'categories': {
            name: {
                'synset': get_category(name).synset,
                'in_shapenet': not get_category(name).synset.startswith('99'),
                'parts': {
                    part: offsets[name] + index
                    for index, part in enumerate(get_category(name).part_names)
                },
            }
            for name in options.categories
        },
    }


def part_offsets(options: SetOptions) -> dict[str, int]:
    """Return the first part label of every category.

    As in ShapeNetPart, a label stands for one part of one category.

    Args:
        options: What the set holds.
    """
    offsets, at = {}, 0
    for name in options.categories:
        offsets[name] = at
        at += len(get_category(name).part_names)
    return offsets
