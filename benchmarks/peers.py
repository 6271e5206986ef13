"""Operations on points, beside those of other libraries."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

K, RADIUS, IN_BALL = 32, 0.1, 64


def peer(module: str, call: Callable, *pair: Any) -> Callable | None:
    """Make a call of a library on clouds one by one; None without it."""
    try:
        library = importlib.import_module(module)
    except ImportError:
        return None
    arrays = [*zip(*(tensor.cpu().numpy() for tensor in pair), strict=True)]
    return lambda: [call(library, *one) for one in arrays]


def open3d_fps(library: Any, cloud: Any, queries: Any) -> None:
    """Choose farthest points by Open3D."""
    cloud = library.utility.Vector3dVector(cloud)
    cloud = library.geometry.PointCloud(cloud)
    cloud.farthest_point_down_sample(len(queries))


def cdist_chamfer(a: Any, b: Any) -> Any:
    """Compute the Chamfer distance by ``torch.cdist``."""
    import torch

    distance = torch.cdist(a, b)
    return distance.amin(1).mean() + distance.amin(2).mean()


def operation(kind: str, c: Any, q: Any) -> dict[str, Any]:
    """Make calls of an operation on clouds and queries by library."""
    import published_formulation as plain
    import torch

    from mmdet3d_act import ops

    trees, count = ('scipy.spatial', 'pykdtree.kdtree'), q.shape[1]
    if kind == 'FPS':
        return {
            'ours': lambda: ops.farthest_point_sample(c, count),
            'PyTorch': lambda: plain.plain_fps(c, count),
            'Open3D': peer('open3d', open3d_fps, c, q),
            'fpsample': peer(
                'fpsample', lambda m, c, q: m.fps_sampling(c, len(q)), c, q
            ),
            'torch-quickfps': peer(
                'torch_quickfps',
                lambda m, c, q: m.sample_idx(torch.tensor(c), q.shape[1]),
                c[None],
                q[None],
            ),
        }
    if kind == 'kNN':
        return {
            'ours': lambda: ops.knn(c, q, K),
            'PyTorch': lambda: torch.cdist(q, c).topk(K, largest=False),
            'SciPy': peer(
                trees[0], lambda m, c, q: m.cKDTree(c).query(q, K), c, q
            ),
            'pykdtree': peer(
                trees[1], lambda m, c, q: m.KDTree(c).query(q, K), c, q
            ),
        }
    if kind == 'ball query':
        size = (RADIUS, IN_BALL)
        return {
            'ours': lambda: ops.ball_query(c, q, *size),
            'PyTorch': lambda: plain.plain_ball(c, q, *size),
            'SciPy': peer(
                trees[0],
                lambda m, c, q: m.cKDTree(c).query_ball_point(q, RADIUS),
                c,
                q,
            ),
        }
    leaf = c.clone().requires_grad_()
    return {
        'ours': lambda: ops.chamfer_distance(leaf, q).backward(),
        'PyTorch': lambda: cdist_chamfer(leaf, q).backward(),
    }
