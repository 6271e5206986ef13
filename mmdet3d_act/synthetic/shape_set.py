"""Sets of shapes in the layouts of ShapeNet-55, probes and ShapeNetPart."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .catalog import get_category, stream
from .file_set import SetPlan, write_array, write_bytes, write_json, write_rows
from .options import ShapeSetOptions
from .shape_scan import Cloud, scan_shape

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
        index: Number of the object within split and category.
    """

    split: str
    name: str
    index: int

    @property
    def path(self) -> str:
        """Where the cloud goes, relative to the set's folder."""
        if self.split in _LABELLED:
            stem = f'{self.name}_{self.index:04d}'
            return f'{PROBE_ROOT}/{self.split}/{self.name}/{stem}.npy'
        synset = get_category(self.name).synset
        file = f'{synset}-{self.split}{self.index:05d}.npy'
        return f'{PRETRAIN_ROOT}/shapenet_pc/{file}'

    @property
    def parts_path(self) -> str:
        """Where the cloud with part labels goes."""
        stem = f'{self.split}_{self.name}_{self.index:04d}'
        return f'{PARTS_ROOT}/{get_category(self.name).synset}/{stem}.txt'


def plan_shapes(options: ShapeSetOptions) -> SetPlan:
    """Plan a set, unlabelled clouds first."""
    names = options.categories
    tasks = [
        CloudTask(split, names[at % len(names)], at // len(names))
        for split in _LISTS
        for at in range(getattr(options, f'num_{split}'))
    ]
    tasks += [
        CloudTask(split, name, index)
        for split in _LABELLED
        for name in names
        for index in range(getattr(options, f'num_{split}_per_class'))
    ]
    lists = [*_LISTS.values(), 'categories.json']
    if options.parts:
        lists.append(f'{PARTS_ROOT}/synsetoffset2category.txt')
        lists += [_PART_LIST.format(split) for split in _LABELLED]
    return SetPlan(
        options=options,
        manifest='synthetic_manifest.json',
        version=2,
        folders=(PRETRAIN_ROOT, PROBE_ROOT, PARTS_ROOT),
        counts=(
            *(f'num_{split}' for split in _LISTS),
            *(f'num_{split}_per_class' for split in _LABELLED),
        ),
        tasks=tasks,
        files=partial(_files, options),
        make=partial(_write_cloud, options),
        lists=lists,
        make_lists=partial(_write_lists, options, tasks),
    )


def _files(options: ShapeSetOptions, task: CloudTask) -> list[str]:
    """List the files of a cloud."""
    with_parts = options.parts and task.split in _LABELLED
    return [task.path, task.parts_path] if with_parts else [task.path]


def make_cloud(options: ShapeSetOptions, task: CloudTask) -> Cloud:
    """Make the cloud of a task; the same on every call."""
    rng = stream(options.seed, *task)
    shape = get_category(task.name).draw(rng)
    return scan_shape(shape, options.num_points, options.scan, rng)


def _write_cloud(
    options: ShapeSetOptions, task: CloudTask, root: Path
) -> None:
    """Make a cloud and write its files."""
    cloud = make_cloud(options, task)
    if options.parts and task.split in _LABELLED:
        # Clutter belongs to no part.
        own = cloud.labels >= 0
        labels = cloud.labels[own] + _part_offsets(options)[task.name]
        rows = [cloud.points[own], cloud.normals[own], labels]
        layout = '%.5f %.5f %.5f %.4f %.4f %.4f %.1f'
        write_rows(root / task.parts_path, np.column_stack(rows), layout)
    write_array(root / task.path, cloud.points)


def _part_offsets(options: ShapeSetOptions) -> dict[str, int]:
    """Number the first part of each category, as ShapeNetPart does."""
    sizes = [len(get_category(name).part_names) for name in options.categories]
    starts = np.cumsum(sizes) - sizes
    return dict(zip(options.categories, starts.tolist(), strict=True))


def _write_lists(
    options: ShapeSetOptions, tasks: list[CloudTask], root: Path
) -> None:
    """Write the files that list and describe the clouds."""
    for split, path in _LISTS.items():
        names = [Path(task.path).name for task in tasks if task.split == split]
        text = ''.join(f'{name}\n' for name in names)
        write_bytes(root / path, text.encode())
    write_json(root / 'categories.json', _description(options))
    if not options.parts:
        return
    text = ''.join(
        f'{name}\t{get_category(name).synset}\n' for name in options.categories
    )
    path = root / PARTS_ROOT / 'synsetoffset2category.txt'
    write_bytes(path, text.encode())
    for split in _LABELLED:
        listed = [
            task.parts_path.replace(PARTS_ROOT, 'shape_data')[: -len('.txt')]
            for task in tasks
            if task.split == split
        ]
        write_json(root / _PART_LIST.format(split), listed)


def _description(options: ShapeSetOptions) -> dict[str, Any]:
    """Describe the categories: synsets, numbers of parts."""
    categories = {}
    for name, offset in _part_offsets(options).items():
        kind = get_category(name)
        categories[name] = {
            'synset': kind.synset,
            'in_shapenet': not kind.synset.startswith('99'),
            'parts': {
                part: offset + index
                for index, part in enumerate(kind.part_names)
            },
        }
    return {
        'origin': 'made up by procedure, no real object is behind it',
        'up_axis': 'y',
        'normalization': 'unit sphere around the mean',
        'categories': categories,
    }
