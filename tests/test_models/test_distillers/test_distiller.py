"""The distiller: compositions, losses, features, preparation, training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from torch import nn

import mmdet3d_act
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

mmdet3d_act.compat.allow_mmengine_checkpoints()

DATA = dict(up_axis='y', normalization='unit_sphere')


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


@pytest.mark.parametrize('training', [False, True])
def test_prepare_restores_the_training_mode(training: bool) -> None:
    norm = TargetNorm('whiten', num_channels=32)
    model = distiller(dict(act=act(target_norm=norm))).train(training)
    modes = []
    model.student.register_forward_pre_hook(lambda *_: None)
    norm_fit = norm.fit

    def fit(targets: Iterable[torch.Tensor]) -> None:
        modes.append(model.student.training)
        norm_fit(targets)

    norm.fit = fit
    assert model.needs_preparation
    model.prepare([toys.data_batch(4, seed) for seed in range(3)])
    assert modes == [False]
    assert model.training is training
    assert model.student.training is training
    assert not model.needs_preparation
    whitened = model.objectives['act'].get_target({}, toys.patches(4), None)
    assert whitened.abs().mean() < 3


def test_prepare_fits_the_statistics_of_all_batches() -> None:
    norm = TargetNorm('center', num_channels=32)
    model = distiller(dict(act=act(target_norm=norm), mae=point_mae()))
    batches = [toys.data_batch(2, seed) for seed in range(3)]
    model.prepare(batches)
    target = model.objectives['act'].target_generator
    expected = torch.cat(
        [
            target({}, model.student.group(toys.points(2, seed=seed)))
            for seed in range(3)
        ]
    )
    toys.assert_close(norm.mean, expected.flatten(0, 1).mean(dim=0), 1e-4)


class Clouds(torch.utils.data.Dataset):
    """Four clouds as a pipeline would pack them."""

    @property
    def metainfo(self) -> dict:
        return dict(DATA)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return dict(
            inputs=dict(points=toys.points(4)[index]),
            data_samples=toys.samples(4)[index],
        )


def train(model: nn.Module, work_dir: Path) -> Runner:
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Clouds(),
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        default_scope='mmengine',
        experiment_name=f'test_distiller_{work_dir.name}',
        log_level='ERROR',
        randomness=dict(seed=0),
    )
    runner.train()
    return runner


def test_two_steps_of_the_runner(tmp_path: Path) -> None:
    norm = TargetNorm('standardize', num_channels=32)
    model = distiller(dict(act=act(target_norm=norm), mae=point_mae()))
    model.prepare([toys.data_batch(4)])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    runner = train(model, tmp_path / 'run')
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    values = scalars['train/loss'].data[0]
    assert len(values) == 2
    parts = [scalars[f'train/{name}.loss'].data[0] for name in ('act', 'mae')]
    assert values.tolist() == pytest.approx((parts[0] + parts[1]).tolist())
    for name, value in model.state_dict().items():
        frozen = 'target_generator' in name or 'target_norm' in name
        if frozen or name.endswith('position_code'):
            assert torch.equal(value, before[name]), name
    assert not torch.equal(
        model.student.norm.bias, before['student.norm.bias']
    )


def test_the_runners_checkpoint_is_a_pretrained_student(
    tmp_path: Path,
) -> None:
    model = distiller(dict(mae=point_mae()))
    train(model, tmp_path / 'run')
    path = str(tmp_path / 'run' / 'epoch_1.pth')
    student = toys.student(
        init_cfg=dict(type='Pretrained', checkpoint=path), seed=1
    )
    student.init_weights()
    trained = model.student.state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(value, trained[name]), name
    assert student.pretrained_meta == DATA
