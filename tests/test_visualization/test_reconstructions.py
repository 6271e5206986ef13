from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from mmdet3d_act.models.layers import make_patches, patches_in_place
from mmdet3d_act.ops import chamfer_distance
from mmdet3d_act.visualization import reconstructions
from mmdet3d_act.visualization.reconstructions import (
    Stage,
    reconstruction_stages,
)
from tests.test_models import toys
from tests.test_visualization.distillers import KINDS, autoencoder, distiller

INPUTS = dict(points=toys.points())


def distance(stage: Stage, row: int) -> float:
    return float(stage.captions[row].removeprefix('CD '))


def test_autoencoder_gives_its_stages() -> None:
    model = autoencoder()
    stages, note = reconstruction_stages(model, INPUTS)
    titles = ['input', '8 patches', 'codes (16)', 'coarse', 'dense']
    assert [stage.title for stage in stages] == titles
    assert 'Chamfer' in note
    patches = make_patches(INPUTS['points'], 8, 4)
    model.eval()
    with torch.no_grad():
        output = model.reconstruct(patches)
    dense = patches_in_place(patches.centers, output.fine)
    toys.assert_close(stages[4].points, dense)
    for row in range(2):
        expected = 1000 * chamfer_distance(
            dense[row : row + 1], INPUTS['points'][row : row + 1]
        )
        assert stages[4].captions[row] == f'CD {expected:.1f}'


def test_patches_have_one_colour_each_and_codes_share_theirs() -> None:
    model = autoencoder()
    stages = reconstruction_stages(model, INPUTS)[0]
    labels = stages[1].labels.reshape(2, 8, 4)
    assert (labels == labels[..., :1]).all()
    assert len(np.unique(labels[0])) == 8
    patches = make_patches(INPUTS['points'], 8, 4)
    codes = model.eval().get_codes(patches).numpy()
    shown = stages[2].labels.reshape(2, 8, 4)[..., 0]
    same = codes.ravel()[:, None] == codes.ravel()[None]
    np.testing.assert_array_equal(
        shown.ravel()[:, None] == shown.ravel()[None], same
    )
    used = [len(np.unique(row)) for row in codes]
    assert list(stages[2].captions) == [f'{n} in use' for n in used]


@pytest.mark.parametrize('kind', KINDS)
def test_visible_patches_are_true_and_masked_ones_predicted(kind) -> None:
    stages = reconstruction_stages(distiller(kind), INPUTS)[0]
    grey = stages[2].labels == -1  # masked
    for stage in stages[3:]:
        np.testing.assert_array_equal(stage.labels == -1, ~grey)
        same = (stage.points == stages[1].points).all(dim=-1).numpy()
        assert same[~grey].all()
        assert not same[grey].all()
        assert torch.isfinite(stage.points).all()


@pytest.mark.parametrize('kind', KINDS[1:])
def test_perfect_predictions_decode_to_the_decoded_targets(
    kind, monkeypatch
) -> None:
    model = distiller(kind)
    objective = model.objectives[kind]
    made = {}

    def perfect(patches, mask):
        generator = reconstructions._generator(objective)
        autoencoder = generator.autoencoder.module
        if kind == 'codes':
            codes = autoencoder.get_codes(patches)[mask]
            return nn.functional.one_hot(codes, toys.NUM_CODES)
        target = autoencoder.encode(
            patches, noise=False, local=generator.local
        )
        norm = objective.target_norm
        target = target if norm is None else norm(target)
        return 7.0 * target[mask]  # a cosine loss leaves the length open

    def neck(encoded, patches, mask):
        made['rows'] = perfect(patches, mask)
        return [torch.zeros(2, 4, toys.DIMS)]

    monkeypatch.setattr(objective.neck, 'forward', neck)
    monkeypatch.setattr(
        objective.head,
        'forward',
        lambda preds: [made['rows'].view(2, 4, -1)],
    )
    target, prediction, constant = reconstruction_stages(model, INPUTS)[0][3:]
    toys.assert_close(prediction.points, target.points, 1e-4)
    assert (constant.points - target.points).abs().max() > 1e-2
    for row in range(2):
        assert abs(distance(prediction, row) - distance(target, row)) < 0.2


@pytest.mark.parametrize('kind', ['autoencoder', *KINDS])
def test_a_training_does_not_notice(kind) -> None:
    model = toys.vae() if kind == 'autoencoder' else distiller(kind)
    model.train()
    frozen = next(m for m in model.modules() if isinstance(m, nn.BatchNorm1d))
    frozen.eval()
    modes = [module.training for module in model.modules()]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    states = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    first = reconstruction_stages(model, INPUTS)[0]
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1][1])
    assert torch.equal(torch.get_rng_state(), states[2])
    assert [module.training for module in model.modules()] == modes
    after = model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert all(p.grad is None for p in model.parameters())
    torch.rand(3)
    second = reconstruction_stages(model, INPUTS)[0]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.points, other.points)


def test_refuses_what_cannot_be_drawn() -> None:
    for model in (toys.student(), distiller('points', ratio=None)):
        with pytest.raises(ValueError, match=type(model).__name__):
            reconstruction_stages(model, INPUTS)
