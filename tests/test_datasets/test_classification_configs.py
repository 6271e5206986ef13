"""The data configs of classification: settings, and batches of files."""

from __future__ import annotations

import pickle
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
from tests.test_datasets.test_dataset_configs import FOLDER

NAMES = (
    'modelnet40',
    'modelnet40_8k',
    'modelnet40_fewshot',
    'modelnet40_fewshot_drawn',
    'modelnet40_tiny',
    'real_shapes_fewshot_tiny',
    'real_shapes_tiny',
    'scanobjectnn',
    'scanobjectnn-objbg',
    'scanobjectnn-objonly',
    'scanobjectnn_tiny',
)


def _config(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def _steps(loader: dict) -> list[dict]:
    (cfg,) = iter_dataset_cfgs(loader['dataset'])
    return [*cfg.get('static_pipeline', ()), *cfg['pipeline']]


def _write_scanobjectnn(root: Path, rng: np.random.Generator) -> None:
    for folder, ending in (
        ('main_split', ''),
        ('main_split_nobg', ''),
        ('main_split', '_augmentedrot_scale75'),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for part, count in (('training', 32), ('test', 3)):
            path = root / folder / f'{part}_objectdataset{ending}.h5'
            with h5py.File(path, 'w') as file:
                file['data'] = rng.normal(size=(count, 2048, 3))
                file['label'] = np.arange(count) % 15


def _write_modelnet(root: Path, rng: np.random.Generator) -> None:
    root /= 'modelnet40_normal_resampled'
    root.mkdir(parents=True)
    for split, count in (('train', 32), ('test', 3)):
        clouds = rng.normal(size=(count, 8192, 6)).astype(np.float32)
        labels = [np.array([i % 40], np.int32) for i in range(count)]
        path = root / f'modelnet40_{split}_8192pts_fps.dat'
        path.write_bytes(pickle.dumps([list(clouds), labels]))


def _write_fewshot(root: Path, rng: np.random.Generator) -> None:
    rows = {
        split: [
            (rng.normal(size=(1300, 6)).astype(np.float32), label, label + 3)
            for label in range(5)
            for _ in range(count)
        ]
        for split, count in (('train', 10), ('test', 1))
    }
    path = root / '5way_10shot' / '0.pkl'
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(rows))


def _write_shapes(root: Path, rng: np.random.Generator) -> None:
    for split, count in (('train', 10), ('test', 6)):
        for name in 'abcdef':
            for number in range(count):
                path = root / split / name / f'{number}.npy'
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, rng.normal(size=(1100, 3)))


WRITERS = {
    'scanobjectnn': ('ScanObjectNN', _write_scanobjectnn),
    'modelnet40_fewshot': ('ModelNetFewshot', _write_fewshot),
    'modelnet40': ('ModelNet', _write_modelnet),
    'real_shapes': ('real_shapes', _write_shapes),
}


@pytest.fixture(scope='module')
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data sets in the official forms."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for folder, write in WRITERS.values():
        write(root / folder, rng)
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


@pytest.mark.parametrize('name', NAMES)
def test_batches(name: str, load: Callable) -> None:
    num_points = 1024
    if name.startswith('scanobjectnn') and 'tiny' not in name:
        num_points = 2048
    if name == 'modelnet40_8k':
        num_points = 8192
    if 'drawn' in name:
        # The published numbers need 30 clouds of each of 5 classes.
        with pytest.raises(ValueError, match='5 classes with at least 10'):
            load(name, 'train')
        return
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
        if part == 'train':
            size = _config(name).train_dataloader.batch_size
            assert len(points) == size
