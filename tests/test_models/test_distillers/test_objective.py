"""Concept alignment and reconstruction of encoded features, together."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.heads import (
    AlignmentHead,
    CoordinateHead,
    FeatureHead,
)
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.necks import (
    ConceptExtractor,
    MaskDecoder,
    PatchTokens,
)
from mmdet3d_act.models.target_generators import PatchCoordinates
from tests.test_models import toys
from tests.test_models.test_distillers import paired


def concept(**changes: object) -> Objective:
    options = dict(
        target_generator=paired.VectorTeacher(),
        neck=ConceptExtractor(32, 3, num_layers=2, num_heads=4),
        head=AlignmentHead(32, 3),
    )
    return Objective(**{**options, **changes})


def reconstruction(**changes: object) -> Objective:
    return Objective(
        PatchCoordinates(),
        MaskDecoder(32, num_layers=1, num_heads=4, mask_tokens='encoded'),
        CoordinateHead(32, toys.GROUP_SIZE),
        mask=RandomPatchMask(0.5),
        **changes,
    )


def distiller(**options: object) -> Distiller:
    torch.manual_seed(0)
    student = options.pop('student', None) or paired.student()
    objectives = options.pop('objectives', None) or dict(concept=concept())
    return Distiller(student, objectives, **options)


def loss_of(model: Distiller, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return model(paired.batch(), toys.samples(4), mode='loss')


def test_concept_loss_written_out() -> None:
    model = distiller().eval()
    inputs = paired.batch()
    part = model.objectives['concept']
    encoded = model.student.encode(model.student.group(inputs['points']))
    pred = part.head(part.neck(encoded))
    expected = (pred.flatten(1) - inputs['vectors']).square().mean()
    losses = loss_of(model)
    assert set(losses) == {'concept.loss', 'concept.constant_baseline'}
    toys.assert_close(losses['concept.loss'], expected)


class Visible(Objective):
    """Says what it was given."""

    def loss(self, inputs, patches, mask, encoded, samples):
        self.seen = encoded.features.shape[1], mask
        return super().loss(inputs, patches, mask, encoded, samples)


def masked_objective(**changes: object) -> Objective:
    """Return masked modelling, as ACT and Point-MAE have it."""
    neck = MaskDecoder(32, num_layers=1, num_heads=4)
    head = CoordinateHead(32, toys.GROUP_SIZE)
    return Visible(PatchCoordinates(), neck, head, **changes)


def test_whole_clouds_beside_masked_ones() -> None:
    objective = concept(whole_cloud=True)
    parts = dict(mae=masked_objective(), concept=objective)
    model = distiller(objectives=parts, mask=RandomPatchMask(0.5)).eval()
    losses = loss_of(model)
    visible, mask = parts['mae'].seen
    assert visible == toys.NUM_GROUPS // 2
    assert mask.sum(1).tolist() == [4] * 4
    alone = distiller(objectives=dict(concept=objective)).eval()
    alone.student.load_state_dict(model.student.state_dict())
    toys.assert_close(losses['concept.loss'], loss_of(alone)['concept.loss'])


def test_frozen_student_stays_as_it_is() -> None:
    model = distiller(
        frozen_student=True,
        objectives=dict(concept=concept(), rec=reconstruction()),
    ).train()
    assert not model.student.training
    assert not any(m.training for m in model.student.modules())
    assert model.objectives['concept'].neck.training
    before = copy.deepcopy(model.student.state_dict())
    first = copy.deepcopy(model.objectives.state_dict())
    cfg = dict(optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.05))
    wrapper = build_optim_wrapper(model, cfg)
    total, _ = model.parse_losses(loss_of(model))
    wrapper.update_params(total)
    for name, value in model.student.state_dict().items():
        assert torch.equal(value, before[name]), name
    trained = model.objectives.state_dict()
    assert all(
        not torch.equal(value, first[name]) for name, value in trained.items()
    )


def test_predictions_and_targets_for_retrieval() -> None:
    model = distiller(predicts=('targets', 'losses')).eval()
    samples = model(paired.batch(), toys.samples(4), mode='predict')
    inputs = paired.batch()
    for index, sample in enumerate(samples):
        pred, target = sample.pred_targets['concept']
        toys.assert_close(target, inputs['vectors'][index])
        assert pred.shape == target.shape
        assert set(sample.pred_losses) == {
            'concept.loss',
            'concept.constant_baseline',
        }
        assert 'pred_feats' not in sample
    mean = sum(
        (pred - target).square().mean()
        for pred, target in (s.pred_targets['concept'] for s in samples)
    )
    assert samples[0].pred_losses['concept.loss'] == pytest.approx(
        float(mean / 4), rel=1e-4
    )


def test_heads_that_predict_patches_are_left_out_of_retrieval() -> None:
    parts = dict(concept=concept(), rec=reconstruction())
    model = distiller(objectives=parts, predicts=('targets',)).eval()
    samples = model(paired.batch(), toys.samples(4), mode='predict')
    assert set(samples[0].pred_targets) == {'concept'}
    encoded = model(paired.batch(), mode='tensor')
    patches = model.get_patches(paired.batch())
    part = Objective(PatchCoordinates(), PatchTokens(), FeatureHead(32, 4))
    with pytest.raises(ValueError, match='FeatureHead predicts nothing of'):
        part.predict(paired.batch(), patches, encoded, None)
