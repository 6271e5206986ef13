from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import DETECTION_IDS
from mmdet3d_act.synthetic.furniture import NYU40
from mmdet3d_act.synthetic.rooms import FurnishedRoom, draw_room, room_kinds


@pytest.fixture(scope='module')
def rooms() -> list[FurnishedRoom]:
    return [
        draw_room(kind, np.random.default_rng(seed))
        for seed, kind in enumerate(room_kinds())
    ]


def test_the_first_four_kinds_hold_every_class(
    rooms: list[FurnishedRoom],
) -> None:
    labels = np.concatenate([room.labels for room in rooms[:4]])
    assert set(DETECTION_IDS) <= set(labels.tolist())


def test_kinds_hold_what_makes_them(rooms: list[FurnishedRoom]) -> None:
    held = {
        room.kind: {
            name for name, number in NYU40.items() if number in room.labels
        }
        for room in rooms
    }
    assert {'toilet', 'bathtub', 'shower curtain'} <= held['bathroom']
    assert {'counter', 'refrigerator', 'sink'} <= held['kitchen']
    assert {'desk', 'bookshelf', 'chair'} <= held['office']
    assert 'bed' in held['bedroom']
    assert 'sofa' in held['living room']
    assert not {'toilet', 'bed'} & held['kitchen']
    for names in held.values():
        assert {'wall', 'floor', 'ceiling', 'door', 'window'} <= names


def test_faces_belong_to_instances(rooms: list[FurnishedRoom]) -> None:
    for room in rooms:
        number = len(room.labels)
        present = np.unique(room.instances)
        np.testing.assert_array_equal(present, np.arange(number) + 1)
        assert len(room.faces) == len(room.instances) == len(room.colors)
        assert room.faces.max() < len(room.vertices)
        for index in (0, number - 1):
            own = room.faces[room.instances == index + 1]
            places = room.vertices[own.ravel()]
            np.testing.assert_allclose(
                [places.min(axis=0), places.max(axis=0)], room.blocks[index]
            )


def test_rooms_are_a_function_of_the_stream(
    rooms: list[FurnishedRoom],
) -> None:
    again = draw_room('studio', np.random.default_rng(0))
    np.testing.assert_array_equal(again.vertices, rooms[0].vertices)
    other = draw_room('studio', np.random.default_rng(1))
    assert not np.array_equal(other.size, rooms[0].size)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match='kind must be one of studio'):
        draw_room('attic', np.random.default_rng(0))
