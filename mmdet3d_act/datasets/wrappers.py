"""MMEngine's wrappers of data sets, as clouds and seeded samples need them."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import ClassBalancedDataset, ConcatDataset
from torch.utils.data import Dataset

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.registry import DATASETS

COMPARED = ('up_axis', 'normalization', 'classes')


@DATASETS.register_module(name='ConcatDataset', force=True)
class UnionDataset(ConcatDataset):
    """MMEngine's `ConcatDataset`, which compares of clouds what matters.

    Data sets of this package may be joined where they agree in ``up_axis``,
    ``normalization`` and, if more than one has them, ``classes``.
    The meta information is the first one's. Other data sets are compared as
    MMEngine does it.

    Args:
        datasets: Configs or data sets.
        lazy_init: Whether lists are read at the first access only.
        ignore_keys: Keys that are not compared.

    Raises:
        ValueError: If the data sets differ; it names the key.
    """

    def __init__(
        self,
        datasets: Sequence[dict | Dataset],
        lazy_init: bool = False,
        ignore_keys: str | Sequence[str] | None = None,
    ) -> None:
        parts = [
            DATASETS.build(one) if isinstance(one, dict) else one
            for one in datasets
        ]
        if all(isinstance(part, PointCloudDataset) for part in parts):
            ignored = {ignore_keys} if isinstance(ignore_keys, str) else ()
            _compare(parts, set(ignored or ignore_keys or ()))
            ignore_keys = sorted(
                {key for part in parts for key in part.metainfo}
            )
        super().__init__(parts, lazy_init, ignore_keys)


def _compare(parts: Sequence[PointCloudDataset], ignored: set[str]) -> None:
    for key in COMPARED:
        stated = [(part.metainfo.get(key), part.data_root) for part in parts]
        if key == 'classes':
            stated = [one for one in stated if one[0]]
        for value, root in stated:
            first, first_root = stated[0]
            if value != first and key not in ignored:
                raise ValueError(
                    f'data sets that are joined differ in {key}: it is '
                    f'{first!r} in {first_root} and {value!r} in {root}; '
                    f'state it alike, or set ignore_keys=[{key!r}]'
                )


@DATASETS.register_module(name='ClassBalancedDataset', force=True)
class BalancedDataset(ClassBalancedDataset):
    """MMEngine's `ClassBalancedDataset`, which keeps the epoch of an index."""

    def __getitem__(self, idx: int) -> dict:
        """Return the sample at an index."""
        self.full_init()
        # A `SampleIndex` stays one of its epoch and seed.
        return self.dataset[idx - int(idx) + self.repeat_indices[idx]]
