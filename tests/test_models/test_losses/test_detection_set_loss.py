"""The loss between predicted boxes and those assigned to them."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.losses import DetectionSetLoss, SetAssignment
from mmdet3d_act.models.task_modules import (
    HungarianSetAssigner,
    ThreeDETRBoxCoder,
)
from tests.test_models.detections import instances, raw_outputs, scene_range

BOX = [2.0, 2, 2, 1, 1, 1]
NAMES = ('cls', 'center', 'size', 'giou', 'angle_cls', 'angle_residual')


def losses_of(
    outputs: dict,
    scenes: list,
    bins: int = 1,
    queries_per_box: int = 1,
    **options: object,
) -> dict[str, torch.Tensor]:
    coder = ThreeDETRBoxCoder(bins)
    decoded = coder.decode(outputs)
    targets = coder.encode(scenes, outputs['scene_range'])
    assigner = HungarianSetAssigner(queries_per_box=queries_per_box)
    assignment = assigner.assign(decoded, targets)
    return DetectionSetLoss(3, **options)(decoded, targets, assignment)


def test_several_queries_for_a_box_count_as_one() -> None:
    """Two queries that say the same of a box cost as much as one does."""
    outputs = raw_outputs(layers=1, scenes=1, queries=2)
    for name, value in outputs.items():
        if name != 'scene_range':
            outputs[name] = value[..., :1, :].expand_as(value)
    scenes = [instances([BOX], [1])]
    one, two = (
        losses_of(outputs, scenes, queries_per_box=number) for number in (1, 2)
    )
    for name in set(NAMES) - {'cls'}:
        torch.testing.assert_close(two[f'loss_{name}'], one[f'loss_{name}'])


def test_every_layer_has_its_terms() -> None:
    outputs = raw_outputs(layers=3, bins=4)
    scenes = [instances([BOX], [1]), instances([], [])]
    found = losses_of(outputs, scenes, bins=4)
    named = {
        f'{prefix}loss_{name}'
        for prefix in ('', 'd0.', 'd1.')
        for name in NAMES
    }
    assert set(found) == {*named, 'cardinality_error'}
    sum(found[name] for name in named).backward()
    for name in ('cls_logits', 'center_offset', 'size_logits', 'angle_logits'):
        assert outputs[name].grad.abs().sum(dim=(1, 2, 3)).all()
    alone = losses_of(
        {
            key: value if key in ('query_xyz', 'scene_range') else value[1:2]
            for key, value in outputs.items()
        },
        scenes,
        bins=4,
    )
    for name in NAMES:
        torch.testing.assert_close(
            alone[f'loss_{name}'], found[f'd1.loss_{name}']
        )


def test_weights_scale_and_leave_out() -> None:
    outputs, scenes = raw_outputs(), [instances([BOX], [1])] * 2
    once = losses_of(outputs, scenes)
    twice = losses_of(outputs, scenes, giou_weight=0.0, center_weight=10.0)
    assert not any('giou' in name for name in twice)
    torch.testing.assert_close(twice['loss_center'], 2 * once['loss_center'])


def test_constant_angle_can_be_left_alone() -> None:
    outputs, scenes = raw_outputs(), [instances([BOX], [1])] * 2
    assert losses_of(outputs, scenes)['loss_angle_residual'] > 0
    found = losses_of(outputs, scenes, regress_constant_angle=False)
    assert found['loss_angle_residual'] == 0
    found['loss_angle_residual'].backward()
    # Several processes need a gradient of every parameter.
    assert not outputs['angle_residual'].grad.any()


@pytest.mark.parametrize('bins', [1, 4])
@pytest.mark.parametrize(
    'scenes',
    [
        [instances([], []), instances([], [])],
        [instances([[2.0, 2, 2, 0, 0, 0]], [0]), instances([], [])],
    ],
    ids=['no boxes', 'no volume'],
)
def test_nothing_is_nan(bins: int, scenes: list) -> None:
    outputs = raw_outputs(bins=bins)
    found = losses_of(outputs, scenes, bins=bins)
    total = sum(value for name, value in found.items() if 'loss' in name)
    total.backward()
    assert torch.isfinite(total)
    for name in ('cls_logits', 'center_offset', 'size_logits', 'angle_logits'):
        assert torch.isfinite(outputs[name].grad).all()
    if not any(len(one.labels_3d) for one in scenes):
        assert found['loss_center'] == found['loss_giou'] == 0
        assert found['loss_cls'] > 0


def test_number_of_boxes_is_the_processes_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs, scenes = raw_outputs(), [instances([BOX], [1])] * 2

    def with_another(number: torch.Tensor, op: str) -> None:
        assert op == 'mean'
        number.copy_((number + 6) / 2)

    alone = losses_of(outputs, scenes)
    module = 'mmdet3d_act.models.losses.detection_set_loss'
    monkeypatch.setattr(f'{module}.all_reduce', with_another)
    shared = losses_of(outputs, scenes)
    torch.testing.assert_close(shared['loss_size'], alone['loss_size'] / 2)
    torch.testing.assert_close(shared['loss_cls'], alone['loss_cls'])


def test_classes_are_checked() -> None:
    coder = ThreeDETRBoxCoder()
    decoded = coder.decode(raw_outputs())
    targets = coder.encode([instances([BOX], [7])] * 2, scene_range())
    nothing = SetAssignment(
        torch.zeros(2, 2, 5, dtype=torch.int64),
        torch.zeros(2, 2, 5, dtype=torch.bool),
    )
    with pytest.raises(ValueError, match=r'must be 0 to 2; .*got \[7\]'):
        DetectionSetLoss(3)(decoded, targets, nothing)
    terms = ('cls', 'giou', 'center', 'size', 'angle_cls', 'angle_residual')
    with pytest.raises(ValueError, match='nothing to learn'):
        DetectionSetLoss(3, **{f'{term}_weight': 0.0 for term in terms})
