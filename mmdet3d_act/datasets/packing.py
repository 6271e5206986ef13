"""The making of packs from data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.packed_samples import (
    AUTO,
    checksum_of,
    file_of,
    loader_options,
    stamp_of,
)
from mmdet3d_act.datasets.point_pack import PackError, PackWriter, PointPack
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.registry import DATASETS

Progress = Callable[[int, int], None]
# What does not change the clouds: parts of the list, and how it is kept.
_NOT_PACKED = (
    'indices',
    'filter_cfg',
    'lazy_init',
    'test_mode',
    'label_fraction',
    'label_seed',
)


class PackJob(NamedTuple):
    """A pack to be made: where, and the config of its data set."""

    path: str
    cfg: dict


class PackResult(NamedTuple):
    """What is in a pack.

    Attributes:
        num_samples: All samples.
        num_faults: Those packed as unusable.
        num_before: Those that an earlier, interrupted call had packed; all
            of them where the pack was up to date.
        num_bytes: Size of the file.
    """

    num_samples: int
    num_faults: int
    num_before: int
    num_bytes: int


def iter_dataset_cfgs(cfg: dict) -> Iterator[dict]:
    """Yield the configs of the data sets that clouds come from.

    Args:
        cfg: Config of a data set, or of a wrapper (``dataset`` or
            ``datasets``) around others.

    Yields:
        Configs of the innermost data sets.
    """
    inner = [*cfg.get('datasets', ())]
    if 'dataset' in cfg:
        inner.append(cfg['dataset'])
    for one in inner:
        yield from iter_dataset_cfgs(one)
    if not inner:
        yield cfg


def list_jobs(cfg: dict, out: str | None = None) -> list[PackJob]:
    """Return the packs of a data set, one for each split in it.

    Args:
        cfg: Config of a data set, not of a wrapper.
        out: Folder of the packs. None: ``packed`` of the config, by default
            the data set's own folder.

    Returns:
        One job per pack; none for a data set that is not packed.

    Raises:
        ValueError: If the data set has no packs, or its pipelines read no
            file.
    """
    cls = DATASETS.get(cfg['type'])
    if cls is None or not issubclass(cls, PointCloudDataset):
        raise ValueError(
            f'expected a data set with one cloud per sample, got '
            f'{cfg["type"]}; name one that derives from PointCloudDataset'
        )
    options = {k: v for k, v in cfg.items() if k not in _NOT_PACKED}
    folder = out or options.pop('packed', None) or AUTO
    dataset = DATASETS.build(options | dict(packed=folder, lazy_init=True))
    if not dataset.pack_parts():
        return []
    loaders = dataset.loaders()
    if not loaders:
        raise ValueError(
            f'the pipelines of {cfg["type"]} read no files, so there is '
            'nothing to pack; begin one with LoadPointCloud'
        )
    options.update(
        packed=None,
        static_pipeline=None,
        pipeline=loaders,
        serialize_data=False,
        lazy_init=True,
    )
    return [
        PackJob(dataset.pack_file(split), options | dict(split=split))
        for split in dataset.pack_parts()
    ]


def plan_pack(dataset: PointCloudDataset) -> tuple[dict, list[dict]]:
    """Return what a data set's pack is to hold, without the arrays.

    Args:
        dataset: The data set, of one split.

    Returns:
        Header and samples of the index, see `PackWriter`.

    Raises:
        TypeError: If the information of a sample cannot be kept as JSON.
    """

    def to_name(path: str) -> str:
        root = os.path.join(dataset.data_root, '')
        below = path.startswith(root)
        return path[len(root) :] if below else os.path.abspath(path)

    stamps: dict[str, list[int] | None] = {}
    samples = []
    for info in dataset.data_list:
        path = info['lidar_path']
        file = file_of(path)
        if file not in stamps:
            stamps[file] = stamp_of(file)
        info = info | dict(lidar_path=to_name(path))
        if json.loads(json.dumps(info)) != info:
            raise TypeError(
                f'expected numbers, strings and lists about {path}, got '
                f'{info}; hand arrays on by read_arrays of a transform'
            )
        samples.append(dict(info=info, stamp=stamps[file]))
    header = dict(
        dataset=type(dataset).__name__,
        split=dataset.split,
        on_error=dataset.on_error,
        classes=list(dataset.metainfo.get('classes', ())),
        list_options=dataset.list_options(),
        loaders=loader_options(dataset.loaders()),
        guesses={
            key: [dataset.metainfo[key], reason]
            for key, reason in dataset.metainfo.get('guessed', {}).items()
        },
        sources={
            to_name(path): checksum_of(path)
            for path in dataset.list_sources()
            if os.path.isfile(path)
        },
    )
    return json.loads(json.dumps(header)), samples


class _Reads(Dataset):
    """The arrays of each sample, or why it cannot be used."""

    def __init__(self, dataset: PointCloudDataset) -> None:
        self.dataset = dataset
        self.loaders = dataset.loaders()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> tuple[dict | None, str | None]:
        arrays = {}
        try:
            info = self.dataset.get_data_info(idx)
            for loader in self.loaders:
                arrays.update(loader.read_arrays(info))
        except BadSampleError as error:
            return None, error.fault
        return arrays, None


def _unchanged(item: tuple) -> tuple:
    return item


def pack_samples(
    job: PackJob,
    *,
    on_error: str = 'raise',
    num_workers: int = 0,
    progress: Progress | None = None,
) -> PackResult:
    """Make a pack, or finish one that was interrupted.

    A pack that holds already what it should is left as it is.

    Args:
        job: What is packed, and where.
        on_error: ``'raise'``: a sample that cannot be used is an error.
            ``'skip'``: it is packed as one.
        num_workers: Processes that read; 0 reads in this one.
        progress: Called with the number of samples done and of all, first
            before any is read.

    Returns:
        What is in the pack.

    Raises:
        BadSampleError: If a sample cannot be used.
        FileNotFoundError: If the data set is not there or not complete.
        OSError: If the pack cannot be written.
    """
    dataset = DATASETS.build(job.cfg | dict(on_error=on_error))
    dataset.full_init()
    header, samples = plan_pack(dataset)
    done = _find_done(job.path, header, samples)
    if done is not None:
        return done
    os.makedirs(os.path.dirname(job.path), exist_ok=True)
    with PackWriter(job.path, header, samples) as writer:
        before = writer.num_done
        report = progress or (lambda done, total: None)
        report(before, len(samples))
        reads = DataLoader(
            _Reads(dataset),
            batch_size=None,
            sampler=range(before, len(samples)),
            num_workers=num_workers,
            collate_fn=_unchanged,
        )
        for arrays, fault in reads:
            if arrays is None and on_error == 'raise':
                name = dataset.data_list[writer.num_done]['lidar_path']
                raise BadSampleError(name, fault)
            writer.add(arrays, fault)
            report(writer.num_done, len(samples))
        faults = writer.num_faults
        writer.finish()
    size = os.path.getsize(job.path)
    return PackResult(len(samples), faults, before, size)


def _find_done(
    path: str, header: dict, samples: list[dict]
) -> PackResult | None:
    """Return what is in a pack that is there; None where it is not this."""
    if not os.path.isfile(path):
        return None
    try:
        found_header, found = PointPack(path).load_index()
    except PackError:
        return None
    kept = [dict(info=s['info'], stamp=s['stamp']) for s in found]
    if (found_header, kept) != (header, samples):
        return None
    faults = sum('fault' in sample for sample in found)
    return PackResult(len(found), faults, len(found), os.path.getsize(path))
