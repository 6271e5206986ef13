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


def test_targets_are_of_shapes_whatever_colours_the_student_sees() -> None:
    model = distiller(dict(act=act(), mae=point_mae())).eval()
    points = toys.points()
    plain = loss_of(model)
    first = model.student.patch_embed.conv1
    wide = torch.nn.Linear(6, first.out_features)
    with torch.no_grad():
        wide.weight.copy_(torch.nn.functional.pad(first.weight, (0, 3)))
        wide.bias.copy_(first.bias)
    model.student.patch_embed.conv1, model.student.in_channels = wide, 6
    colored = torch.cat([points, torch.rand_like(points)], dim=-1)
    torch.manual_seed(0)
    found = model(dict(points=colored), toys.samples(), mode='loss')
    for name, value in plain.items():
        toys.assert_close(found[name], value)
    (batch,) = model._prepared_batches(
        [dict(inputs=dict(points=colored), data_samples=toys.samples())]
    )
    assert batch[1].neighborhoods.shape[-1] == 3
