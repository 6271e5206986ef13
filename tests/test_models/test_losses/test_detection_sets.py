"""Distances between predicted and true boxes."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.losses.detection_sets import (
    box_giou,
    giou_rotation,
    upright_boxes,
)
from mmdet3d_act.models.task_modules import ThreeDETRBoxCoder
from tests.test_models.detections import instances, raw_outputs, scene_range

CUBE = [1.0, 2, 3, 1, 1, 1]


def drawn(bins: int, yaws: tuple[float, ...] = (0.0, 0.0)) -> tuple:
    coder = ThreeDETRBoxCoder(bins)
    scenes = [instances([[*CUBE, yaw]], [0]) for yaw in yaws]
    scenes[0] = instances([[*CUBE, yaws[0]], [*CUBE, 0.0]], [0, 1])
    decoded = coder.decode(raw_outputs(bins=bins))
    return decoded, coder.encode(scenes, scene_range())


def test_a_box_fits_itself() -> None:
    box = dict(
        centers=torch.rand(4, 3),
        sizes=torch.rand(4, 3) + 0.1,
        angles=torch.tensor([0.0, 0.3, -2.0, 3.0]),
    )
    straight = torch.ones(4)
    torch.testing.assert_close(box_giou(box, box, 'none'), straight)
    found = box_giou(box, box, 'exact')
    assert found[0] == pytest.approx(1)
    # The box that encloses turned ones is axis-aligned.
    assert (found[1:] < 1).all()
    assert (found > 0).all()
    assert upright_boxes(**box)[1, 6] == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ('bins', 'yaws', 'rotation', 'expected'),
    [
        (1, (0.0, 0.0), 'released', 'none'),
        (12, (0.0, 0.0), 'exact', 'exact'),
        # Angles are minus the yaw.
        (12, (0.4, -0.1), 'released', 'pretest'),
        (12, (0.4, 0.1), 'released', 'corners'),
    ],
)
def test_released_arithmetic_looks_at_the_sign(
    bins: int, yaws: tuple[float, float], rotation: str, expected: str
) -> None:
    assert giou_rotation(*drawn(bins, yaws), rotation) == expected
