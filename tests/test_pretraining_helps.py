"""Pretraining helps: masked point modelling of shapes, then a linear probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.registry import MODELS

NUM_POINTS = 256
PRETRAINING, TRAIN, TEST = 1600, 20, 60  # clouds; the latter of a class
STEPS, BATCH_SIZE = 300, 32
POINT_MAE = dict(
    type='Distiller',
    student=dict(
        type='PointTransformer',
        embed_dims=96,
        num_layers=4,
        num_heads=4,
        num_groups=32,
        group_size=16,
        patch_channels=(32, 64, 128),
        drop_path_rate=0.0,
    ),
    mask=dict(type='RandomPatchMask', ratio=0.6),
    objectives=dict(
        point_mae=dict(
            target_generator=dict(type='PatchCoordinates'),
            neck=dict(
                type='MaskDecoder', embed_dims=96, num_layers=2, num_heads=4
            ),
            head=dict(type='CoordinateHead', embed_dims=96, group_size=16),
        )
    ),
)


def sphere(draws: np.random.Generator, count: int) -> np.ndarray:
    points = draws.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def box(draws: np.random.Generator, count: int) -> np.ndarray:
    points = draws.uniform(-1, 1, size=(count, 3))
    rows = np.arange(count)
    points[rows, draws.integers(3, size=count)] = draws.choice([-1, 1], count)
    return points


def tube(draws: np.random.Generator, count: int, taper: float) -> np.ndarray:
    """A cylinder's side, or with a taper of 1 a cone's."""
    angle = draws.uniform(0, 2 * np.pi, count)
    height = draws.uniform(-1, 1, count)
    radius = 1 - taper * (height + 1) / 2
    return np.stack(
        [radius * np.cos(angle), radius * np.sin(angle), height], axis=1
    )


def torus(draws: np.random.Generator, count: int) -> np.ndarray:
    ring, section = draws.uniform(0, 2 * np.pi, size=(2, count))
    radius = 1 + 0.4 * np.cos(section)
    return np.stack(
        [radius * np.cos(ring), radius * np.sin(ring), 0.4 * np.sin(section)],
        axis=1,
    )


def helix(draws: np.random.Generator, count: int) -> np.ndarray:
    t = draws.uniform(-1, 1, count)
    return np.stack(
        [np.cos(3 * np.pi * t), np.sin(3 * np.pi * t), t], axis=1
    ) + 0.08 * sphere(draws, count)


def cross(draws: np.random.Generator, count: int) -> np.ndarray:
    """Three bars through the middle."""
    points = box(draws, count) * 0.2
    points[np.arange(count), draws.integers(3, size=count)] *= 5
    return points


def saddle(draws: np.random.Generator, count: int) -> np.ndarray:
    x, y = draws.uniform(-1, 1, size=(2, count))
    return np.stack([x, y, x * x - y * y], axis=1)


SHAPES = (
    sphere,
    box,
    lambda draws, count: tube(draws, count, 0.0),
    lambda draws, count: tube(draws, count, 1.0),
    torus,
    helix,
    cross,
    saddle,
)


def cloud(label: int, draws: np.random.Generator) -> np.ndarray:
    """A shape, stretched, turned, noisy, partly seen, in the unit sphere."""
    points = SHAPES[label](draws, 2 * NUM_POINTS)
    points = points * draws.uniform(0.5, 1.5, size=3)
    turn, _ = np.linalg.qr(draws.normal(size=(3, 3)))
    points = points @ turn
    points = points[points[:, 0].argsort()[:NUM_POINTS]]
    points = points + 0.02 * draws.normal(size=points.shape)
    points -= points.mean(0)
    return points / np.linalg.norm(points, axis=1).max()


def clouds(count: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Draw as many clouds of every class."""
    draws = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(SHAPES)), count)
    points = np.stack([cloud(label, draws) for label in labels])
    return torch.from_numpy(points).float(), labels


@torch.no_grad()
def features(model: Distiller, points: Tensor) -> np.ndarray:
    found = []
    for batch in points.split(100):
        encoded = model.student.encode(model.student.group(batch))
        pooled = encoded.features.amax(1), encoded.features.mean(1)
        found.append(torch.cat([*pooled, encoded.cls_token], dim=1))
    return torch.cat(found).numpy()


def probe(model: Distiller) -> float:
    """Give the share of right answers of a linear probe, in per cent."""
    model.eval()
    train, labels = clouds(TRAIN, seed=100)
    test, truth = clouds(TEST, seed=200)
    linear = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)
    )
    linear.fit(features(model, train), labels)
    return 100 * linear.score(features(model, test), truth)


def pretrain(model: Distiller, seed: int) -> None:
    points, _ = clouds(PRETRAINING // len(SHAPES), seed=300)
    draws = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, STEPS)
    model.train()
    for _ in range(STEPS):
        rows = torch.randint(len(points), (BATCH_SIZE,), generator=draws)
        losses = model.loss(dict(points=points[rows]))
        optimizer.zero_grad()
        losses['point_mae.loss'].backward()
        optimizer.step()
        schedule.step()


@pytest.mark.slow
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_linear_probe(seed: int) -> None:
    torch.manual_seed(seed)
    model = MODELS.build(POINT_MAE)
    untrained = probe(model)
    pretrain(model, seed)
    assert probe(model) > untrained + 8
