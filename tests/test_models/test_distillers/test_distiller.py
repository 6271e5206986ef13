"""The distiller: compositions, losses, features, preparation, training."""

from __future__ import annotations

import torch

from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.heads import CoordinateHead, FeatureHead
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.necks import MaskDecoder
from mmdet3d_act.models.target_generators import (
    AutoencoderTarget,
    PatchCoordinates,
    TargetNorm,
)
from tests.test_models import toys


def neck(mask_tokens: str = 'decoder') -> MaskDecoder:
    return MaskDecoder(
        32,
        num_layers=1,
        num_heads=4,
        drop_path_rate=0.0,
        mask_tokens=mask_tokens,
    )


def act(mask_tokens: str = 'decoder', **changes: object) -> Objective:
    target = AutoencoderTarget(toys.randomize(toys.vae(), seed=5), noise=False)
    return Objective(target, neck(mask_tokens), FeatureHead(32, 32), **changes)


def point_mae(**changes: object) -> Objective:
    head = CoordinateHead(32, 4)
    return Objective(PatchCoordinates(), neck(), head, **changes)


def distiller(objectives: dict | None = None, **changes: object) -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        toys.student(),
        objectives or dict(act=act()),
        mask=RandomPatchMask(0.5),
        **changes,
    )


def loss_of(model: Distiller, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return model(dict(points=toys.points()), toys.samples(), mode='loss')


def test_objectives_are_summed_with_their_weights() -> None:
    parts = dict(act=act(weight=0.25), mae=point_mae(weight=3.0))
    model = distiller(parts).eval()
    losses = loss_of(model)
    assert set(losses) == {
        'act.loss',
        'act.constant_baseline',
        'mae.loss',
    }
    for part in parts.values():
        part.weight = 1.0
    plain = loss_of(model)
    toys.assert_close(losses['act.loss'], 0.25 * plain['act.loss'])
    toys.assert_close(losses['mae.loss'], 3 * plain['mae.loss'])
    # To be compared with the loss beside it, and not summed.
    toys.assert_close(
        losses['act.constant_baseline'], 0.25 * plain['act.constant_baseline']
    )
    total, _ = model.parse_losses(losses)
    toys.assert_close(total, losses['act.loss'] + losses['mae.loss'])


def test_one_seed_one_loss() -> None:
    values = []
    for seed in (0, 0, 1):
        losses = loss_of(distiller().train(), seed)
        values.append(losses['act.loss'].item())
    assert values[0] == values[1] != values[2]


def test_targets_are_normalised_and_detached() -> None:
    norm = TargetNorm('center', num_channels=32)
    norm.mean.fill_(2.0)
    norm.fitted.fill_(True)
    part, patches = act(target_norm=norm), toys.patches()
    plain = act().get_target({}, patches, None)
    target = part.get_target({}, patches, None)
    toys.assert_close(target, plain - 2.0)
    assert not target.requires_grad


def test_predict_gives_features_for_probing() -> None:
    model = distiller().eval()
    result = model.test_step(toys.data_batch())
    encoded = model.student.encode(model.student.group(toys.points()))
    for index, sample in enumerate(result):
        feats = sample.pred_feats
        assert set(feats) == {'cls', 'max', 'mean'}
        toys.assert_close(feats['cls'], encoded.cls_token[index])
        toys.assert_close(feats['max'], encoded.features[index].amax(dim=0))
        toys.assert_close(feats['mean'], encoded.features[index].mean(dim=0))
        assert not feats['cls'].requires_grad
        assert sample.sample_idx == index


def test_prepare_fits_the_statistics_of_all_batches() -> None:
    norm = TargetNorm('center', num_channels=32)
    model = distiller(dict(act=act(target_norm=norm), mae=point_mae()))
    assert model.train().needs_preparation
    model.prepare([toys.data_batch(2, seed) for seed in range(3)])
    assert model.student.training
    assert not model.needs_preparation
    target = model.objectives['act'].target_generator
    expected = torch.cat(
        [
            target({}, model.student.group(toys.points(2, seed=seed)))
            for seed in range(3)
        ]
    )
    toys.assert_close(norm.mean, expected.flatten(0, 1).mean(dim=0), 1e-4)
