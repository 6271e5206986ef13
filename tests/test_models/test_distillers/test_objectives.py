"""Targets, necks, heads and losses together: each combination learns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.heads import CodeHead, FeatureHead
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.losses import (
    BarlowTwinsFeatureLoss,
    CosineFeatureLoss,
    MSEFeatureLoss,
    NTXentFeatureLoss,
    SmoothL1FeatureLoss,
)
from mmdet3d_act.models.necks import MaskDecoder, MaskedFeatures
from mmdet3d_act.models.target_generators import (
    AutoencoderCodes,
    AutoencoderTarget,
)
from tests.test_models import toys

NUM_CLOUDS = 4
STEPS = 60
LOSSES = {
    'cosine': CosineFeatureLoss,
    'mse': MSEFeatureLoss,
    'smooth-l1': SmoothL1FeatureLoss,
    'nt-xent': NTXentFeatureLoss,
    'nt-xent-cloud': lambda: NTXentFeatureLoss(scope='cloud'),
    'barlow': BarlowTwinsFeatureLoss,
    'barlow-cloud': lambda: BarlowTwinsFeatureLoss(scope='cloud'),
}
# Where the mask tokens are, and what reads them.
FORMS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    'decoder': (
        'decoder',
        lambda: MaskDecoder(32, num_layers=1, num_heads=4),
    ),
    'input': (
        'input',
        lambda: MaskDecoder(
            32, num_layers=1, num_heads=4, mask_tokens='input'
        ),
    ),
    'point-bert': ('input', MaskedFeatures),
}


def stage_one() -> nn.Module:
    # Of these weights, whose codes differ from patch to patch.
    return toys.vae(seed=1).eval()


def distiller(objective: Objective, form: str = 'decoder') -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        toys.student(),
        dict(act=objective),
        mask=RandomPatchMask(0.5),
        mask_tokens=FORMS[form][0],
    )


def features(loss: Callable[[], nn.Module]) -> Objective:
    torch.manual_seed(0)
    return Objective(
        AutoencoderTarget(stage_one(), noise=False),
        FORMS['decoder'][1](),
        FeatureHead(32, 32, loss=loss()),
    )


def codes(form: str) -> Objective:
    torch.manual_seed(0)
    return Objective(
        AutoencoderCodes(stage_one()),
        FORMS[form][1](),
        CodeHead(32, toys.NUM_CODES),
    )


def loss_of(model: Distiller) -> dict[str, Tensor]:
    torch.manual_seed(0)
    inputs = dict(points=toys.points(NUM_CLOUDS))
    return model(inputs, toys.samples(NUM_CLOUDS), mode='loss')


def fit(model: Distiller) -> tuple[dict[str, float], dict[str, float]]:
    """Return what is logged of one batch, before and after learning it."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    logs = []
    for _ in range(STEPS):
        losses = loss_of(model)
        total, log = model.parse_losses(losses)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        logs.append({key: value.item() for key, value in log.items()})
    return logs[0], logs[-1]


@pytest.mark.parametrize('name', LOSSES)
def test_every_feature_loss_teaches_more_than_a_constant(name: str) -> None:
    first, last = fit(distiller(features(LOSSES[name])))
    assert last['act.loss'] < 0.9 * first['act.loss']
    assert last['act.loss'] < last['act.constant_baseline']


@pytest.mark.parametrize('form', FORMS)
def test_codes_are_learned_in_every_form(form: str) -> None:
    model = distiller(codes(form), form)
    first, last = fit(model)
    assert set(first) == {
        'loss',
        'act.loss',
        'act.constant_baseline',
        'act.accuracy',
    }
    # Only the loss is summed.
    assert first['loss'] == first['act.loss']
    assert 0 < last['act.constant_baseline'] < first['act.loss']
    assert last['act.loss'] < 0.8 * last['act.constant_baseline']
    assert last['act.accuracy'] > max(0.5, first['act.accuracy'])


@pytest.mark.parametrize('form', FORMS)
def test_gradient_reaches_every_trainable_parameter(form: str) -> None:
    """DistributedDataParallel refuses parameters that take no part."""
    model = toys.randomize(distiller(codes(form), form)).train()
    loss_of(model)['act.loss'].backward()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    before_norm = {f'student.patch_embed.conv{i}.bias' for i in (1, 3)}
    assert set(toys.without_gradient(model)) - frozen <= before_norm
