"""Every operation answers bad input with an error that names it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmdet3d_act import ops
from tests.test_ops import oracles

# Operation, names of its clouds, the other arguments.
CALLS = [
    (ops.farthest_point_sample, ('points',), (2,)),
    (ops.knn, ('points', 'queries'), (2,)),
    (ops.ball_query, ('points', 'queries'), (0.5, 2)),
    (ops.group_points, ('points',), (2, 2)),
    (ops.three_nn, ('query', 'source'), ()),
    (ops.nearest_distances, ('a', 'b'), ()),
    (ops.chamfer_distance, ('a', 'b'), ()),
    (ops.f_score, ('pred', 'target'), ()),
]
ARGUMENTS = [
    pytest.param(call, place, names[place], rest, id=f'{call.__name__}-{name}')
    for call, names, rest in CALLS
    for place, name in enumerate(names)
]
PAIRS = [
    pytest.param(call, names, rest, id=call.__name__)
    for call, names, rest in CALLS
    if len(names) == 2
]


def given(call: Callable, place: int, bad: object, rest: tuple) -> object:
    """Call an operation with one bad cloud, the other one good."""
    clouds = [oracles.cloud(2, 10), oracles.cloud(2, 10, seed=1)]
    clouds[place] = bad
    count = 1 if call in (ops.farthest_point_sample, ops.group_points) else 2
    return call(*clouds[:count], *rest)


CLOUD, OTHER = oracles.cloud(2, 8), oracles.cloud(2, 8, seed=1)
BOXES = torch.rand(3, 6)


def integers(*shape: int, **settings: object) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int64, **settings)


# What one operation alone refuses: its call, and whom the message names.
REFUSED = {
    'corners': (lambda: ops.box_corners(torch.rand(3, 5)), '6'),
    'list': (lambda: ops.box_hulls([1, 2, 3, 4, 5, 6]), 'Tensor'),
    'whole numbers': (lambda: ops.box_hulls(integers(2, 6)), 'floating'),
    'coloured scene': (
        lambda: ops.points_in_boxes(torch.rand(5, 4), BOXES),
        'coordinates',
    ),
    'scene of a list': (lambda: ops.points_in_boxes([0, 0, 0], BOXES), 'list'),
    'rotation': (lambda: ops.giou3d(BOXES, BOXES, rotation='no'), 'no'),
    'pairs': (lambda: ops.iou3d(BOXES, BOXES[:2]), 'None'),
    'dtypes': (lambda: ops.iou3d(BOXES, BOXES.double()), 'dtype'),
    'zeros only': (
        lambda: ops.chamfer_distance(
            CLOUD[:1], 0 * CLOUD[:1], ignore_zeros=True
        ),
        '^b ',
    ),
    'norm': (lambda: ops.chamfer_distance(CLOUD, OTHER, 'L1'), 'L1'),
    'reduction': (
        lambda: ops.chamfer_distance(CLOUD, OTHER, reduction='sum'),
        'sum',
    ),
    'threshold': (lambda: ops.f_score(CLOUD, OTHER, 0.0), 'threshold'),
    'num_groups': (lambda: ops.group_points(CLOUD, 9, 4), '9 > 8'),
    'no group': (lambda: ops.group_points(CLOUD, 0, 4), 'num_groups'),
    'group_size': (lambda: ops.group_points(CLOUD, 4, 9), '9 > 8'),
    'index': (
        lambda: ops.gather_points(CLOUD, integers(2, 1) + 8),
        '0 to 7',
    ),
    'negative index': (
        lambda: ops.gather_points(CLOUD, integers(2, 1) - 1),
        '0 to 7',
    ),
    'index of clouds': (
        lambda: ops.gather_points(CLOUD, integers(3, 2)),
        r'\(3, 2\)',
    ),
    'index shape': (lambda: ops.gather_points(CLOUD, integers(2)), 'dim'),
    'index type': (
        lambda: ops.gather_points(CLOUD, torch.zeros(2, 2)),
        'float32',
    ),
    'index device': (
        lambda: ops.gather_points(CLOUD, integers(2, 2, device='meta')),
        'device',
    ),
    'features': (
        lambda: ops.three_interpolate(CLOUD, CLOUD, torch.rand(2, 7, 4)),
        'source',
    ),
    'finite features': (
        lambda: ops.three_interpolate(CLOUD, CLOUD, CLOUD * torch.nan),
        'features',
    ),
    'k': (lambda: ops.knn(CLOUD, OTHER, 9), '9 > 8'),
    **{
        f'radius {radius}': (
            lambda radius=radius: ops.ball_query(CLOUD, OTHER, radius, 2),
            'radius',
        )
        for radius in (0.0, -1.0, float('nan'), float('inf'))
    },
    'num_samples': (lambda: ops.farthest_point_sample(CLOUD, 9), '9 > 8'),
    'samples': (lambda: ops.farthest_point_sample(CLOUD, 2.0), 'num_samples'),
}


@pytest.mark.usefixtures('values_checked')
@pytest.mark.parametrize(('call', 'offender'), REFUSED.values(), ids=REFUSED)
def test_refused(call: Callable[[], object], offender: str) -> None:
    with pytest.raises((TypeError, ValueError), match=offender):
        call()


@pytest.mark.usefixtures('values_checked')
@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(('call', 'place', 'name', 'rest'), ARGUMENTS)
def test_not_finite(
    call: Callable, place: int, name: str, rest: tuple, value: float
) -> None:
    bad = oracles.cloud(2, 10)
    bad[1, 7, 2] = value
    bad[1, 9, 0] = value
    message = f'^{name} .* 2 of its 20 points .* point 7 of cloud 1'
    with pytest.raises(ValueError, match=message):
        given(call, place, bad, rest)


NO_CLOUDS = {
    'nothing': torch.zeros(0, 4, 3),
    'no points': torch.zeros(2, 0, 3),
    'one cloud': torch.zeros(10, 3),
    'two coordinates': torch.zeros(2, 10, 2),
    'four dimensions': torch.zeros(1, 2, 10, 3),
    'a number': torch.zeros(()),
    'integers': torch.zeros(2, 10, 3, dtype=torch.long),
    'array': oracles.cloud(2, 10).numpy(),
    # Points with features, for an operation that takes them.
    'channels first': torch.zeros(2, 3, 10),
    'colours': torch.zeros(2, 10, 6),
}


@pytest.mark.parametrize('kind', NO_CLOUDS)
@pytest.mark.parametrize(('call', 'place', 'name', 'rest'), ARGUMENTS)
def test_what_is_no_batch_of_clouds(
    call: Callable, place: int, name: str, rest: tuple, kind: str
) -> None:
    if call is ops.group_points and kind in ('channels first', 'colours'):
        pytest.skip('takes points with features')
    with pytest.raises((TypeError, ValueError), match=f'^{name} must '):
        given(call, place, NO_CLOUDS[kind], rest)


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (oracles.cloud(3, 10), 'the same batch size, got [23] and [23]'),
        (oracles.cloud(2, 10).double(), 'one dtype, got torch.float'),
    ],
)
@pytest.mark.parametrize(('call', 'names', 'rest'), PAIRS)
def test_clouds_that_do_not_fit(
    call: Callable, names: tuple, rest: tuple, bad: torch.Tensor, message: str
) -> None:
    first, second = names
    with pytest.raises(ValueError, match=f'^{first} and {second} .*{message}'):
        given(call, 1, bad, rest)


def test_devices_that_do_not_fit() -> None:
    pair = oracles.cloud(2, 10), oracles.cloud(2, 10).to('meta')
    with pytest.raises(ValueError, match=r'points and queries .* one device'):
        ops._checks.check_pair(*pair, ('points', 'queries'))


def test_huge_coordinates_are_finite() -> None:
    """Their sum overflows, they do not."""
    points = torch.full((1, 4, 3), 3e38)
    assert ops._checks.check_cloud(points, 'points') is points


def test_numbers_are_not_looked_at_in_a_training_step() -> None:
    """Asking for a value would make a GPU wait."""
    bad = oracles.cloud(1, 10)
    bad[0, 3] = torch.nan
    other = oracles.cloud(1, 10, seed=1)
    assert ops.nearest_distances(bad, other).dist_ab.isnan().any()
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.raises(ValueError, match='must be finite'),
    ):
        ops.nearest_distances(bad, other)


def test_an_index_outside_is_named_where_values_are_checked() -> None:
    points = oracles.cloud(1, 10)
    with torch.autograd.set_detect_anomaly(True):
        ops.gather_points(points, torch.tensor([[0, 9]]))
        for wrong in (10, -1):
            with pytest.raises(ValueError, match=f'{wrong}'):
                ops.gather_points(points, torch.tensor([[0, wrong]]))
