from __future__ import annotations

import numpy as np

from mmdet3d_act.visualization.sheet import (
    LINE,
    MARGIN,
    STEP,
    Cell,
    compose_sheet,
)

RED = np.full((50, 50, 3), (200, 0, 0), dtype=np.uint8)
BLUE = np.full((50, 50, 3), (0, 0, 200), dtype=np.uint8)


def sheet(*rows: list[Cell], **options: object) -> np.ndarray:
    return np.asarray(compose_sheet(rows, 50, **options)).astype(int)


def test_pictures_stand_in_their_places() -> None:
    got = sheet([Cell((), RED), Cell((), BLUE)], [Cell(), Cell((), RED)])
    assert got.shape == (2 * 56 + MARGIN, 2 * 56 + MARGIN, 3)
    np.testing.assert_array_equal(got[6:56, 6:56], RED)
    np.testing.assert_array_equal(got[6:56, 62:112], BLUE)
    np.testing.assert_array_equal(got[62:112, 62:112], RED)
    assert (got[62:112, 6:56] == 255).all()


def test_text_stands_above_the_pictures_and_does_not_touch_them() -> None:
    got = sheet(
        [Cell(('a', 'b'), RED), Cell(('c',), BLUE)], heads=['left', 'right']
    )
    top = MARGIN + LINE  # below the heads
    assert got.shape[0] == top + LINE + STEP + 50 + MARGIN
    assert (got[MARGIN:top] < 128).any()
    assert (got[top : top + LINE + STEP, 6:56] < 128).any()
    np.testing.assert_array_equal(got[-56:-6, 6:56], RED)
    np.testing.assert_array_equal(got[-56:-6, 62:112], BLUE)


def test_long_lines_are_cut_at_their_picture() -> None:
    got = sheet([Cell(('w' * 99,), RED), Cell(('',), BLUE)])
    assert (got[:28, 57:] > 200).all()
    assert (got[:28, 6:56] < 128).any()


def test_messages_are_framed_and_wrapped() -> None:
    text = '/a/path/without/any/space/that/is/much/too/long.npy is no cloud'
    fine, bad = (
        sheet([Cell((), None, text, fault)]) for fault in (False, True)
    )
    inside = fine[7:55, 7:55]
    assert (inside < 200).any()
    assert (fine[:, :6] == 255).all()
    assert (fine[:, 57:] == 255).all()
    # Grey text has equal channels, a fault is red.
    assert np.ptp(inside, axis=-1).max() < 60
    assert np.ptp(bad[7:55, 7:55], axis=-1).max() > 60


def test_notes_stand_below_and_are_wrapped() -> None:
    bare = sheet([Cell((), RED)])
    got = sheet([Cell((), RED)], notes=['several words that need lines'])
    assert got.shape[1] == bare.shape[1]
    assert (got.shape[0] - bare.shape[0] - MARGIN) % STEP == 0
    assert got.shape[0] - bare.shape[0] >= MARGIN + 2 * STEP
    assert (got[bare.shape[0] :] < 200).any()
    assert (got[:, : MARGIN - 2] == 255).all()
    assert (got[bare.shape[0] :, -2:] == 255).all()
