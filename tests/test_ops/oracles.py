"""Slow and plain versions of the operations, written from their definition.

They work on numpy float64, point by point, and share no code with the
package.
"""

from __future__ import annotations

import math

import numpy as np
import torch


def lattice(batch: int, num_points: int, seed: int = 0) -> torch.Tensor:
    """Points on a small integer lattice: exact ties and duplicates."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(-3, 4, (batch, num_points, 3), generator=generator)
    return points.float()


def cloud(batch: int, num_points: int, seed: int = 0) -> torch.Tensor:
    """Generic points in the cube from -1 to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, num_points, 3, generator=generator) * 2 - 1


def kernel_sample(
    points: np.ndarray,
    num_samples: int,
    *,
    max_threads: int = 512,
    skip_origin: bool = False,
) -> list[int]:
    """Farthest points of one cloud as a CUDA block finds them.

    Every thread keeps its best candidate; a tree of pairs, the far half
    against the near half, decides between threads, and the nearer wins ties.
    """
    count = len(points)
    threads = min(max_threads, 2 ** int(math.log2(count)))
    running = np.full(count, 1e10)
    skipped = (points**2).sum(1) <= 1e-3
    chosen = [0]
    while len(chosen) < num_samples:
        best = [(-1.0, 0)] * threads
        center = points[chosen[-1]]
        for k in range(count):
            if skip_origin and skipped[k]:
                continue
            distance = float(((points[k] - center) ** 2).sum())
            running[k] = min(running[k], distance)
            if running[k] > best[k % threads][0]:
                best[k % threads] = (running[k], k)
        half = threads // 2
        while half:
            for t in range(half):
                if best[t + half][0] > best[t][0]:
                    best[t] = best[t + half]
            half //= 2
        chosen.append(best[0][1])
    return chosen


def nearest(
    points: np.ndarray, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances of the k nearest, ties to the lower index."""
    idx, distances = [], []
    for query in queries:
        rows = [(math.dist(point, query), i) for i, point in enumerate(points)]
        rows = sorted(rows)[:k]
        distances.append([row[0] for row in rows])
        idx.append([row[1] for row in rows])
    return np.array(idx), np.array(distances)


def in_ball(
    points: np.ndarray, queries: np.ndarray, radius: float, count: int
) -> np.ndarray:
    """First hits in index order, padded with the first, or zeros."""
    result = []
    for query in queries:
        hits = [
            i
            for i, point in enumerate(points)
            if ((point - query) ** 2).sum() < radius**2
        ][:count]
        filler = hits[0] if hits else 0
        result.append(hits + [filler] * (count - len(hits)))
    return np.array(result)


def chamfer(a: np.ndarray, b: np.ndarray, norm: str) -> float:
    """Chamfer distance of two clouds in the published definitions."""
    there = [min(math.dist(x, y) for y in b) for x in a]
    back = [min(math.dist(x, y) for y in a) for x in b]
    if norm == 'l1':
        return (np.mean(there) + np.mean(back)) / 2
    return np.mean(np.square(there)) + np.mean(np.square(back))
