"""Numbers in messages."""

from __future__ import annotations

import pytest

from mmdet3d_act.text import counted


@pytest.mark.parametrize(
    ('number', 'words', 'expected'),
    [
        (0, ['sample'], '0 samples'),
        (1, ['sample'], '1 sample'),
        (2, ['box', 'boxes'], '2 boxes'),
        (1, ['epoch is', 'epochs are'], '1 epoch is'),
    ],
)
def test_one_and_many(number: int, words: list[str], expected: str) -> None:
    assert counted(number, *words) == expected
