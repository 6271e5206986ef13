"""Targets of a whole data set, computed once.

Letters: B batch, S side of an image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_gather_object, barrier, get_dist_info
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.datasets.paired import PairedDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.models.target_generators import (
    PairedImageTarget,
    TargetStore,
)
from mmdet3d_act.models.target_generators.stored_target import (
    list_stores,
    store_folder,
)

# Batches between two flushes: what an interrupted call loses.
FLUSH_EVERY = 20


class _Rows(Dataset):
    """Images of rows of a store; a text where one is left out."""

    def __init__(
        self, images: Sequence[tuple[int, PairedDataset, str]]
    ) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, Tensor | str]:
        row, dataset, key = self.images[index]
        try:
            return row, dataset.prepared_image(key)
        except BadSampleError as error:
            if dataset.on_error == 'raise':
                raise error.with_remedy() from error
            return row, f'{key}: {error}'


def cache_targets(
    generator: PairedImageTarget,
    datasets: Sequence[PairedDataset],
    path: str | Path,
    *,
    dtype: str = 'float16',
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = 'cpu',
    amp: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> tuple[Path, list[str]]:
    """Compute the targets of all pairs into a store.

    Several processes share the work; each calls this with the same
    arguments. What a store has already is not computed again. An image that
    cannot be read has no target: the store notes it, and the next call tries
    again.

    Args:
        generator: The target generator, with its weights.
        datasets: Data sets of pairs, whose images are prepared alike.
        path: Folder in which the store is made; its name says whose it is:
            the teacher's and its weights', the data sets', the preparation
            of the images and the precision. Or the store itself, where it is
            there already.
        dtype: Of the numbers on disk, ``'float16'`` or ``'float32'``.
        batch_size: Images B that are computed at once.
        num_workers: Processes that read images, for each computing one.
        device: Where the teacher runs.
        amp: Whether it runs in mixed precision.
        report: Called with the rows that are done and all rows of this
            process, first before any is computed.

    Returns:
        The store's folder, and what is said of the images that cannot be
        read, of all processes.

    Raises:
        BadSampleError: If an image cannot be read, and its data set has not
            ``on_error='skip'``.
        StoreError: If ``path`` is a store of other targets.
        ValueError: If images are prepared in several ways.
    """
    generator = generator.to(device).eval()
    kind = torch.device(device).type
    half = torch.float16 if kind == 'cuda' else torch.bfloat16
    is_store = list_stores(path) == [Path(path)]
    stores = Path(path).parent if is_store else Path(path)
    identity = {
        **generator.identity(),
        'images': _preparation(datasets),
        # As seen from the stores' folder: all may be moved together.
        'data': sorted(
            {os.path.relpath(d.data_root, stores) for d in datasets}
        ),
        'precision': str(half if amp else torch.float32),
    }
    folder = Path(path) if is_store else store_folder(stores, identity)
    # Parts of a data set may overlap: the same name is the same pair.
    homes = {key: one for one in reversed(datasets) for key in one.pair_keys()}
    rank, world_size = get_dist_info()
    if rank == 0:
        TargetStore.create(
            folder,
            identity,
            shape=generator.target_shape,
            keys=list(homes),
            dtype=dtype,
        )
    barrier()
    store = TargetStore(folder, writable=True)
    # One stretch for each process: neighbours are often of one file.
    pending = store.pending(list(homes))
    rows = np.array_split(pending, world_size)[rank].tolist()
    # Nobody writes before all know what is missing.
    barrier()
    pairs = [(row, homes[store.keys[row]], store.keys[row]) for row in rows]
    loader = DataLoader(
        _Rows(pairs),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=dict,
    )
    faults: list[str] = []
    done = 0
    report = report or (lambda done, total: None)
    report(done, len(rows))
    try:
        for index, batch in enumerate(loader, start=1):
            images = {k: v for k, v in batch.items() if torch.is_tensor(v)}
            if images:
                stacked = torch.stack([*images.values()]).to(device)
                with torch.no_grad(), torch.autocast(kind, half, amp):
                    target = generator.compute(stacked)
                store.write([*images], target)
            bad = [row for row in batch if row not in images]
            store.give_up(bad)
            faults += [batch[row] for row in bad]
            if index % FLUSH_EVERY == 0:
                store.flush()
            done += len(batch)
            report(done, len(rows))
    finally:
        store.flush()
    barrier()
    return folder, [*chain(*all_gather_object(faults))]


def _preparation(datasets: Sequence[PairedDataset]) -> dict:
    """Check that all images are prepared alike, and tell how."""
    each = [dict(dataset.image_preparation) for dataset in datasets]
    if any(one != each[0] for one in each):
        raise ValueError(
            f'the images of all data sets must be prepared alike, got {each}'
        )
    return each[0]
