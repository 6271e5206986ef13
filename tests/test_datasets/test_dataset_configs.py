"""The data configs: their roots, and batches of files in official layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet3d_act.datasets.base import iter_dataset_cfgs
from tests.official_data import (
    write_fewshot,
    write_modelnet,
    write_scanobjectnn,
)

FOLDER = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
NAMES = sorted(
    path.stem
    for path in FOLDER.glob('*.py')
    if path.stem != 'point_folder_cls'
)
CLASSIFICATION = [
    name for name in NAMES if name.startswith(('modelnet40', 'scanobjectnn'))
]


def _config(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def _data_sets(config: Config) -> list[dict]:
    loaders = [v for k, v in config.items() if k.endswith('_dataloader')]
    return [
        part
        for loader in loaders
        for part in iter_dataset_cfgs(loader['dataset'])
    ]


@pytest.fixture(scope='module')
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('data')
    write_scanobjectnn(root, (32, 3))
    write_modelnet(root, (32, 3))
    write_fewshot(root)
    return root


@pytest.fixture
def load(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], dict]:
    """Return the first batch of a data config's part."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(data_folder))

    def first(name: str, part: str) -> dict:
        loader = _config(name)[f'{part}_dataloader']
        loader.num_workers = 0
        loader.pop('persistent_workers', None)
        with DefaultScope.overwrite_default_scope('mmdet3d'):
            return next(iter(Runner.build_dataloader(loader, seed=0)))

    return first


@pytest.mark.parametrize(
    ('name', 'num_points'),
    [
        ('modelnet40', 1024),
        ('modelnet40_8k', 8192),
        ('modelnet40_fewshot', 1024),
        ('modelnet40_tiny', 1024),
        ('scanobjectnn-objbg', 2048),
        ('scanobjectnn_tiny', 1024),
    ],
)
def test_batches(name: str, num_points: int, load: Callable) -> None:
    for part in ('train', 'val'):
        batch = load(name, part)
        points = torch.stack(batch['inputs']['points'])
        assert points.shape[1:] == (num_points, 3)
        assert points.isfinite().all()
        if 'tiny' in name:
            groups = torch.stack(batch['inputs']['neighbor_indices'])
            assert groups.shape[1:] == (32, 32)
        for sample in batch['data_samples']:
            assert sample.gt_label.shape == (1,)
            assert sample.split == ('train' if part == 'train' else 'test')


def test_probe_gives_both_splits(load: Callable) -> None:
    batch = load('modelnet40_probe', 'val')
    splits = [sample.split for sample in batch['data_samples']]
    assert splits == ['train'] * 32 + ['test'] * 3
    radii = torch.stack(batch['inputs']['points']).norm(dim=-1).amax(1)
    # The whole cloud is normalised, then sampled.
    assert ((radii > 0.5) & (radii <= 1 + 1e-6)).all()


def test_test_clouds_are_the_stored_ones(
    load: Callable, data_folder: Path
) -> None:
    points = torch.stack(load('scanobjectnn', 'val')['inputs']['points'])
    name = 'main_split/test_objectdataset_augmentedrot_scale75.h5'
    with h5py.File(data_folder / 'ScanObjectNN' / name) as file:
        stored = file['data'][()].astype(np.float32)
    np.testing.assert_array_equal(points, stored)
