"""Making of packs, see ``mmdet3d_act.datasets.packs``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.packs import (
    SUFFIX,
    PackableDataset,
    read_index,
    stamp_of,
    write_pack,
)
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
from mmdet3d_act.registry import DATASETS


class _Clouds(Dataset):
    """The cloud of each sample, or why it cannot be packed."""

    def __init__(
        self, dataset: PackableDataset, loader: LoadPointCloud
    ) -> None:
        self.dataset = dataset
        self.loader = loader

    def __getitem__(self, idx: int) -> np.ndarray | str | None:
        try:
            points, offset, _ = self.loader.read(
                self.dataset.get_data_info(idx)
            )
        except BadSampleError as error:
            return error.fault
        # A pack has no place for the offset of geo-referenced clouds.
        return None if offset.any() else points


def plan_pack(cfg: dict, out: str | None = None) -> tuple[str, dict] | None:
    """Find where the pack of a data set is to be, and what goes into it.

    Args:
        cfg: Config of a data set, not of a wrapper.
        out: Folder of the pack. None: ``packed`` of the config, by default
            the data set's own folder.

    Returns:
        Its path and the config of its clouds; None where there is nothing to
        pack: no file for each cloud, or no `LoadPointCloud`.
    """
    subset = ('indices', 'filter_cfg', 'label_fraction', 'label_seed')
    cfg = {key: value for key, value in cfg.items() if key not in subset}
    cfg |= dict(lazy_init=True, test_mode=False, serialize_data=False)
    dataset = DATASETS.build(cfg)
    if not isinstance(dataset, PackableDataset) or dataset.archive:
        return None
    loader = dataset.loader()
    if loader is None:
        return None
    path = Path(out or dataset.pack_folder(), dataset.pack_name() + SUFFIX)
    reading = dict(packed=None, static_pipeline=None, pipeline=[loader])
    return str(path), cfg | reading


def pack_dataset(
    path: str,
    cfg: dict,
    *,
    on_error: str = 'raise',
    num_workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Make a pack, unless it holds already what it should.

    Args:
        path: The pack.
        cfg: Config of its data set, as `plan_pack` gives it.
        on_error: ``'raise'``: a sample that cannot be used is an error.
            ``'skip'``: its place in the pack stays empty.
        num_workers: Processes that read; 0 reads in this one.
        progress: Called with the number of files done and of all.

    Returns:
        Whether anything was to be done.
    """
    dataset = DATASETS.build(cfg | dict(on_error=on_error))
    dataset.full_init()
    (loader,) = cfg['pipeline']
    files = [sample['lidar_path'] for sample in dataset.data_list]
    places = {dataset.packed_name(file): n for n, file in enumerate(files)}
    stamps = {name: stamp_of(files[n]) for name, n in places.items()}
    if _is_done(path, loader.read_options, stamps):
        return False
    reads = DataLoader(
        _Clouds(dataset, loader),
        batch_size=None,
        sampler=list(places.values()),
        num_workers=num_workers,
    )

    def clouds() -> Iterable[np.ndarray | None]:
        for done, (place, cloud) in enumerate(
            zip(places.values(), reads, strict=True), start=1
        ):
            if isinstance(cloud, str) and on_error == 'raise':
                raise BadSampleError(files[place], cloud)
            yield None if isinstance(cloud, str) else cloud
            if progress is not None:
                progress(done, len(places))

    write_pack(path, loader.read_options, stamps, clouds())
    return True


def _is_done(
    path: str, options: dict, stamps: dict[str, tuple[int, int]]
) -> bool:
    try:
        pack = read_index(path)
    except ValueError:
        return False
    packed = {name: tuple(place[:2]) for name, place in pack['clouds'].items()}
    return (pack['read_options'], packed) == (options, stamps)
