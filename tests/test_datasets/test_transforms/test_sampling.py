from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import SamplePoints


def _numbered(count: int) -> torch.Tensor:
    return torch.arange(count)[:, None].expand(-1, 3).float()


def _chosen(results: dict) -> list[int]:
    return results['points'].tensor[:, 0].int().tolist()


def test_random_is_without_replacement(sample: Callable) -> None:
    np.random.seed(0)
    transform = SamplePoints(20)
    draws = [_chosen(transform(sample(_numbered(30)))) for _ in range(5)]
    assert all(len(set(draw)) == 20 for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 5
    assert set().union(*draws) == set(range(30))


def test_fixed_choice_follows_seed_and_index_only(sample: Callable) -> None:
    transform = SamplePoints(20, per_epoch=False)

    def draw(*key: int) -> tuple:
        results = sample(_numbered(30)) | dict(rng_key=key)
        return tuple(_chosen(transform(results)))

    assert draw(1, 0, 2) == draw(1, 9, 2)
    assert len(set(draw(1, 0, 2))) == 20
    assert len({draw(1, 0, 2), draw(2, 0, 2), draw(1, 0, 3)}) == 3


def test_fps(sample: Callable) -> None:
    points = torch.tensor([[0.0], [1], [10], [5]]).expand(-1, 3)
    results = SamplePoints(3, method='fps')(sample(points))
    assert _chosen(results) == [0, 10, 5]


def test_first(sample: Callable) -> None:
    assert _chosen(SamplePoints(3, 'first')(sample(_numbered(9)))) == [0, 1, 2]


def test_order_is_forgotten_after_a_random_choice(sample: Callable) -> None:
    results = sample(_numbered(9)) | dict(fps_ordered=True)
    assert _chosen(SamplePoints(3, 'fps')(dict(results))) == [0, 1, 2]
    assert 'fps_ordered' not in SamplePoints(3)(results)


def test_masks_and_features_follow(sample: Callable) -> None:
    points = torch.cat([_numbered(9), 10 * _numbered(9)[:, :1]], dim=1)
    results = sample(points) | dict(pts_semantic_mask=np.arange(9) + 100)
    results = SamplePoints(4)(results)
    assert results['points'].shape == (4, 4)
    kept = results['points'].tensor
    assert torch.equal(kept[:, 3], 10 * kept[:, 0])
    assert (results['pts_semantic_mask'] - 100).tolist() == _chosen(results)


@pytest.mark.parametrize('method', ['random', 'fps', 'first'])
def test_repeat(sample: Callable, method: str) -> None:
    transform = SamplePoints(7, method, on_too_few='repeat')
    chosen = _chosen(transform(sample(_numbered(3))))
    assert sorted(chosen[:3]) == [0, 1, 2]
    assert chosen[3:] == chosen[:4]


def test_too_few(sample: Callable) -> None:
    with pytest.raises(BadSampleError, match=r'cloud\.npy: too small.* 7 '):
        SamplePoints(7)(sample(_numbered(3)))


def test_replacement_takes_points_again(sample: Callable) -> None:
    """Also where there are enough, as the published part segmentation."""
    np.random.seed(0)
    transform = SamplePoints(400, replace=True)
    chosen = _chosen(transform(sample(_numbered(300))))
    assert len(chosen) == 400
    # 300 * (1 - (1 - 1 / 300) ** 400) different ones are to be expected.
    assert len(set(chosen)) == pytest.approx(221, abs=15)
    results = sample(_numbered(3)) | dict(pts_semantic_mask=np.arange(3))
    few = SamplePoints(9, replace=True)(results)
    assert _chosen(few) == few['pts_semantic_mask'].tolist()


def test_replacement_can_be_the_same_in_every_epoch(sample: Callable) -> None:
    transform = SamplePoints(20, per_epoch=False, replace=True)

    def draw(*key: int) -> tuple:
        results = sample(_numbered(30)) | dict(rng_key=key)
        return tuple(_chosen(transform(results)))

    assert draw(1, 0, 2) == draw(1, 9, 2)
    assert draw(1, 0, 2) != draw(1, 0, 3)


def test_all_points_of_a_small_cloud_may_be_kept(sample: Callable) -> None:
    transform = SamplePoints(20, on_too_few='keep')
    few = _chosen(transform(sample(_numbered(7))))
    assert sorted(few) == list(range(7))
    assert len(set(_chosen(transform(sample(_numbered(30)))))) == 20
