"""Writers of tiny data sets and readers of batches, for the data tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

NAMES = {
    'train': [
        f'{synset}-m{i}.npy'
        for i, synset in enumerate(['02691156', '03001627', 'extra', 'x'] * 2)
    ],
    'test': [f'04379243-t{i}.npy' for i in range(3)],
}
PIPELINE = (
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=16),
    dict(type='NormalizeToUnitSphere'),
    dict(type='RandomPointScaleShift'),
    dict(type='PackPointInputs'),
)


def write_shapenet(root: Path, folder: str = 'shapenet_pc') -> Path:
    """Write a small ShapeNet-55 and return its root."""
    rng = np.random.default_rng(0)
    (root / folder).mkdir(parents=True)
    (root / 'ShapeNet-55').mkdir()
    for split, names in NAMES.items():
        text = '\n'.join(names) + '\n\n'
        (root / 'ShapeNet-55' / f'{split}.txt').write_text(text)
        for name in names:
            points = rng.normal(size=(32, 3)).astype(np.float32)
            np.save(root / folder / name, points)
    return root


def read_epoch(
    dataset: Dataset, sampler: Sampler, **kwargs: object
) -> dict[int, Tensor]:
    """Return the points of each sample of one epoch, by sample_idx."""
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=sampler,
        collate_fn=pseudo_collate,
        **kwargs,
    )
    return by_index(loader)


def by_index(loader: DataLoader) -> dict[int, Tensor]:
    """Return the points of each sample of a loader, by sample_idx."""
    return {
        sample.sample_idx: points.clone()
        for batch in loader
        for sample, points in zip(
            batch['data_samples'], batch['inputs']['points'], strict=True
        )
    }
