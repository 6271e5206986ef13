"""What a tool shows of its progress, on a terminal and in a log file."""

from __future__ import annotations

import sys

import pytest

from mmdet3d_act import progress
from mmdet3d_act.progress import ProgressDisplay


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def shown(total: int, clock: list[float], first: int = 0) -> None:
    """Show a work of which each step takes a second."""
    with ProgressDisplay('scenes') as display:
        for done in range(first, total + 1):
            display(done, total)
            clock[0] += 1


@pytest.mark.parametrize(
    ('total', 'first', 'counts'),
    [
        (3, 0, [1, 2, 3]),
        (25, 0, [1, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
        # What was there before is no work of this call.
        (100, 55, [56, 60, 70, 80, 90, 100]),
        (7, 7, []),
        (0, 0, []),
    ],
)
def test_lines_of_other_works(
    capsys: pytest.CaptureFixture,
    clock: list[float],
    total: int,
    first: int,
    counts: list[int],
) -> None:
    shown(total, clock, first)
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines] == counts


def test_a_terminal_has_one_line(
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    clock: list[float],
) -> None:
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True, raising=False)
    shown(20, clock, 5)
    said = capsys.readouterr().out
    assert said.count('\n') == 1
    states = [line.strip() for line in said.split('\r')[1:]]
    assert states[0] == '6 of 20 scenes (30%), left 0:00:14'
    assert states[-1] == '20 of 20 scenes (100%), took 0:00:15'
    assert len(states) == 15
