"""The frozen stage-I autoencoder as a teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.autoencoders.quantization import quantize
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.models.heads import FeatureHead
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.necks import MaskDecoder
from mmdet3d_act.models.target_generators import (
    AutoencoderCodes,
    AutoencoderTarget,
)
from mmdet3d_act.registry import MODELS
from tests.test_models import toys


def stage_one() -> DiscreteVAE:
    return toys.randomize(toys.vae(), seed=5).eval()


def without_fuse() -> dict:
    state = stage_one().state_dict()
    del state['mixer.fuse.weight']
    return state


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / 'epoch_3.pth'
    torch.save(dict(state_dict=stage_one().state_dict(), meta={}), path)
    return path


def distiller(target: AutoencoderTarget) -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        toys.student(),
        dict(
            act=dict(
                target_generator=target,
                neck=MaskDecoder(32, num_layers=1, num_heads=4),
                head=FeatureHead(32, 32),
            )
        ),
        mask=RandomPatchMask(0.5),
    )


def train_a_step(model: Distiller) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total, _ = model.parse_losses(model.loss(dict(points=toys.points())))
    total.backward()
    optimizer.step()


@pytest.mark.parametrize('kind', ['AutoencoderTarget', 'AutoencoderCodes'])
def test_builds_from_its_config_and_loads(checkpoint: Path, kind: str) -> None:
    config = dict(type=kind, autoencoder=toys.VAE, checkpoint=str(checkpoint))
    target = MODELS.build(config)
    assert type(target).check_requirements(config) == []
    assert target.noise == (kind == 'AutoencoderTarget')
    with pytest.raises(RuntimeError, match='not loaded; call init_weights'):
        target({}, toys.patches())
    target.init_weights()
    loaded = target.autoencoder.module.state_dict()
    for name, value in stage_one().state_dict().items():
        assert torch.equal(loaded[name], value), name
    assert target.autoencoder.source == 'epoch_3.pth'


def test_reduced_targets_are_near_in_float32() -> None:
    exact, reduced = (
        AutoencoderTarget(stage_one(), noise=False, reduced=each)
        for each in (False, True)
    )
    patches = toys.patches()
    expected, found = exact({}, patches), reduced({}, patches)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    # Some codes are others.
    assert torch.cosine_similarity(found, expected, dim=-1).mean() > 0.9


@pytest.mark.parametrize('local', [False, True])
def test_target_is_the_encoding_of_the_whole_cloud(local: bool) -> None:
    target = AutoencoderTarget(stage_one(), noise=False, local=local)
    patches = toys.patches()
    expected = stage_one().encode(patches, noise=False, local=local)
    out = target({}, patches)
    toys.assert_close(out, expected)
    assert not out.requires_grad


def test_published_loop_lets_the_statistics_drift() -> None:
    target = AutoencoderTarget(stage_one(), published_train_mode=True)
    model = distiller(target)
    module = target.autoencoder.module
    mean = module.patch_embed.norm1.running_mean.clone()
    codebook = module.codebook.clone()
    model.train()
    assert module.training
    train_a_step(model)
    assert not torch.equal(module.patch_embed.norm1.running_mean, mean)
    assert torch.equal(module.codebook, codebook)
    model.eval()
    assert not module.training


def test_a_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    config = dict(
        type='AutoencoderTarget',
        autoencoder=toys.VAE,
        checkpoint=str(tmp_path / 'absent'),
        stage1_config='configs/act/act_dvae_shapenet_tiny.py',
    )
    problems = AutoencoderTarget.check_requirements(config)
    assert len(problems) == 1
    command = 'python tools/train.py configs/act/act_dvae_shapenet_tiny.py'
    assert command in problems[0]
    assert 'ACT_AUTOENCODER' in problems[0]
    target = MODELS.build(config)
    with pytest.raises(FileNotFoundError, match=command):
        target.init_weights()


@pytest.mark.parametrize(
    ('state', 'offender'),
    [
        (toys.vae(num_codes=8).state_dict(), r'codebook.*tools/train\.py'),
        (toys.student().state_dict(), 'DiscreteVAE'),
        (without_fuse(), r'mixer\.fuse\.weight'),
    ],
    ids=['shape', 'model', 'incomplete'],
)
def test_other_weights_are_refused(
    checkpoint: Path, state: dict, offender: str
) -> None:
    torch.save(dict(state_dict=state), checkpoint)
    target = AutoencoderTarget(toys.vae(), str(checkpoint))
    with pytest.raises(ValueError, match=offender):
        target.init_weights()


@pytest.mark.parametrize('kind', [AutoencoderTarget, AutoencoderCodes])
def test_a_config_needs_a_checkpoint(kind: type) -> None:
    with pytest.raises(ValueError, match=rf'{kind.__name__}.*tools/train\.py'):
        kind(toys.VAE)


@pytest.mark.parametrize('kind', [AutoencoderCodes, AutoencoderTarget])
def test_codes_can_be_drawn(kind: type) -> None:
    target, patches = kind(stage_one(), noise=True), toys.patches()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(target({}, patches))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    if kind is AutoencoderTarget:
        return
    # The same draw as that of the features.
    torch.manual_seed(1)
    module = target.autoencoder.module
    logits = module.get_logits(patches)
    with torch.no_grad():
        rows = quantize(logits, module.codebook, hard=True, noise=True)
    assert torch.equal(module.codebook[drawn[2]], rows)


def test_codes_do_not_ask_the_teacher() -> None:
    vae = stage_one()
    vae.teacher = torch.nn.Module()  # calling it would fail
    assert AutoencoderCodes(vae)({}, toys.patches()).shape == (2, 8)
    with pytest.raises(NotImplementedError):
        AutoencoderTarget(vae)({}, toys.patches())


def test_a_converted_stage_two_lends_its_autoencoder(tmp_path: Path) -> None:
    """As `tools/model_converters/convert_checkpoint.py` writes it."""
    prefix = 'objectives.act.target_generator.autoencoder.module.'
    state = {prefix + k: v for k, v in stage_one().state_dict().items()}
    state['student.norm.weight'] = torch.ones(32)
    path = tmp_path / 'act.pth'
    torch.save(dict(state_dict=state, meta={}), path)
    target = AutoencoderTarget(toys.VAE, str(path), noise=False)
    target.init_weights()
    expected = stage_one().encode(toys.patches(), noise=False)
    assert torch.equal(target({}, toys.patches()), expected)


def test_a_complete_file_needs_no_other(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A converted file holds the teacher too, whose own file may be absent."""

    def fail(self: DiscreteVAE) -> None:
        raise FileNotFoundError('the weights of the teacher are missing')

    monkeypatch.setattr(DiscreteVAE, 'init_weights', fail)
    AutoencoderTarget(toys.VAE, str(checkpoint)).init_weights()
    loaded = torch.load(checkpoint, weights_only=True)
    del loaded['state_dict']['codebook']
    torch.save(loaded, checkpoint)
    target = AutoencoderTarget(toys.VAE, str(checkpoint))
    with pytest.raises(FileNotFoundError, match='teacher are missing'):
        target.init_weights()
