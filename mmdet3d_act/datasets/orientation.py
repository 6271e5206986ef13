"""The up axis of clouds that come without a description, guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MAX_POINTS = 2048
_SLAB = 0.05
_BINS = 20
# Scanners write z up, glTF is defined with y up.
KNOWN_AXES = {
    **dict.fromkeys(('.las', '.laz', '.e57'), 'z'),
    **dict.fromkeys(('.glb', '.gltf'), 'y'),
}
# Longest sides of scenes in metres, roughly, and units by what makes metres
# of them.
USUAL_SIDES = (0.5, 100.0)
_ROOM = 6.0
_UNITS = {'1': 'metres', '0.01': 'centimetres', '0.001': 'millimetres'}
# A guess from fewer clouds, or with a smaller share of them, is unsure.
_MIN_CLOUDS = 8
_MIN_SHARE = 0.6


class Guess(NamedTuple):
    """A guessed value, why, and whether the evidence is thin."""

    value: str
    reason: str
    is_unsure: bool

    @property
    def told(self) -> str:
        """The reason, and whether it is a thin one."""
        return self.reason + ', not sure' * self.is_unsure


def guess_up_axis(clouds: Sequence[np.ndarray]) -> Guess:
    """Guess the axis that most clouds seem to stand upright on.

    Each cloud votes for the axis with the highest score: things stand on a
    wide bottom rather than on a wide top, and what people make is mirror
    symmetric sideways but not from top to bottom. The score is the share of
    the footprint that the lowest 5 % cover, minus half of what the highest
    5 % do, plus the part of the height's histogram that a reflection moves.
    Of single upright things three quarters vote right.
    """
    votes = np.zeros(3, int)
    for points in clouds:
        votes[
            np.argmax([_uprightness(points, axis) for axis in range(3)])
        ] += 1
    share = votes.max() / votes.sum()
    return Guess(
        'xyz'[votes.argmax()],
        f'{votes.max()} of {len(clouds)} clouds look upright along it '
        f'(x, y, z: {votes.tolist()})',
        bool(share < _MIN_SHARE or len(clouds) < _MIN_CLOUDS),
    )


def guess_unit(clouds: Sequence[np.ndarray]) -> Guess:
    """Guess what makes metres of the coordinates of scenes.

    Each votes for metres where its longest side can be that of a scene
    else for the unit, centimetres or millimetres, in which it is more like a
    room's.

    Args:
        clouds: (N, 3 + F).
    """
    votes = dict.fromkeys(_UNITS, 0)
    for points in clouds:
        side = float(np.ptp(points[:, :3], axis=0).max())
        unit = '1'
        if side > USUAL_SIDES[1]:
            unit = min(
                ('0.01', '0.001'),
                key=lambda one: abs(np.log(side * float(one) / _ROOM)),
            )
        votes[unit] += 1
    value = max(votes, key=lambda unit: votes[unit])
    counts = {_UNITS[unit]: count for unit, count in votes.items() if count}
    return Guess(
        value,
        f'{votes[value]} of {len(clouds)} scans look like {_UNITS[value]} '
        f'({counts})',
        votes[value] < _MIN_SHARE * max(len(clouds), 1),
    )


def _uprightness(points: np.ndarray, axis: int) -> float:
    """Rate how much a cloud looks as if an axis were its height."""
    points = points[:: max(1, len(points) // _MAX_POINTS), :3]
    points = points.astype(np.float64)
    points = points - points.min(0)
    points = points / np.maximum(points.max(0), 1e-12)
    height = points[:, axis]
    sides = np.delete(points, axis, axis=1)
    covered = [
        np.ptp(sides[slab], axis=0).prod()
        for slab in (height <= _SLAB, height >= 1 - _SLAB)
        if slab.any()
    ]
    # A flat cloud has no top.
    bottom, top = covered if len(covered) == 2 else (*covered, 0.0)
    histogram = np.histogram(height, _BINS, (0, 1))[0] / len(height)
    return bottom - top / 2 + np.abs(histogram - histogram[::-1]).sum() / 2
