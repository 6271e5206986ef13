"""The point operations equal the published ones."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.ops import (
    chamfer_distance,
    farthest_point_sample,
    gather_points,
    group_points,
    knn,
    nearest_distances,
)
from mmdet3d_act.ops.sampling import sample_in_order
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('ops_sampling', 'ops_chamfer')


@pytest.mark.parametrize('name', fixture_params('ops_sampling'))
def test_sampling_and_neighbours(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    points = torch.from_numpy(arrays['points'])
    num_groups = arrays['fps_idx'].shape[1]
    group_size = arrays['knn_idx'].shape[2]

    idx = farthest_point_sample(points, num_groups, skip_origin=True)
    centers = gather_points(points, idx)
    neighbors, distances = knn(
        points, centers, group_size, return_distances=True
    )
    groups = group_points(points, num_groups, group_size, skip_origin=True)
    assert torch.equal(groups.center_indices, idx)
    assert torch.equal(groups.neighbor_indices, neighbors)
    results = {
        'fps_idx': idx,
        'fps_idx_no_origin_rule': farthest_point_sample(points, num_groups),
        'fps_idx_plain_argmax': sample_in_order(
            points, num_groups, torch.arange(points.shape[1])
        ),
        'center': groups.centers,
        'knn_idx': neighbors,
        'knn_dist': distances,
        'neighborhood': groups.neighborhoods,
    }
    reference.assert_all(
        name, {key: results[key] for key in results if key in arrays}
    )


@pytest.mark.parametrize('name', fixture_params('ops_chamfer'))
def test_chamfer(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    a = torch.from_numpy(arrays['a'])
    b = torch.from_numpy(arrays['b'])
    nearest = nearest_distances(a, b)
    results = {
        **nearest._asdict(),
        'l2_split_ab': nearest.dist_ab.mean(),
        'l2_split_ba': nearest.dist_ba.mean(),
    }
    for norm in ('l1', 'l2'):
        left, right = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = chamfer_distance(left, right, norm)
        value.backward()
        results[norm] = value
        results[f'grad_a_{norm}'] = left.grad
        results[f'grad_b_{norm}'] = right.grad
    results.update(ignored_zeros(a, b, torch.from_numpy(arrays['zeros_a'])))
    count = arrays['coincident_l2_grad'].shape[1]
    results.update(coincident(b[:1, :count], b[:1]))
    reference.assert_all(name, results)


def ignored_zeros(
    a: torch.Tensor, b: torch.Tensor, padded: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The flag of the published code, which does nothing for two clouds."""
    both = torch.cat([padded, a[1:2]])
    return {
        'zeros_l1_ignored': chamfer_distance(
            padded, b[:1], 'l1', ignore_zeros=True
        ),
        'zeros_l2_ignored': chamfer_distance(
            padded, b[:1], 'l2', ignore_zeros=True
        ),
        'zeros_l1_kept': chamfer_distance(padded, b[:1], 'l1'),
        'zeros_l2_batch2_flag_has_no_effect': chamfer_distance(
            both, b[:2], 'l2'
        ),
    }


def coincident(
    pred: torch.Tensor, target: torch.Tensor
) -> dict[str, torch.Tensor]:
    """A prediction of target points: NaN gradient there, finite here."""
    results = {}
    gradients = {}
    for norm in ('l1', 'l2'):
        leaf = pred.clone().requires_grad_()
        value = chamfer_distance(leaf, target, norm)
        value.backward()
        results[f'coincident_{norm}'] = value
        gradients[norm] = leaf.grad
    assert gradients['l1'].isfinite().all()
    assert (gradients['l1'] != 0).any()

    leaf = pred.clone().requires_grad_()
    dist_ab, dist_ba, _, _ = nearest_distances(leaf, target)
    unguarded = (dist_ab.sqrt().mean() + dist_ba.sqrt().mean()) / 2
    unguarded.backward()
    return {
        **results,
        'coincident_l2_grad': gradients['l2'],
        'coincident_l1_grad_is_nan': leaf.grad.isnan(),
    }
