from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.teachers import TimmTeacher, timm_models
from mmdet3d_act.models.teachers import timm_teacher as module
from mmdet3d_act.models.teachers.weights import read_weights
from mmdet3d_act.registry import MODELS

TINY = {'embed_dim': 16, 'depth': 3, 'num_heads': 2}
SHARED = Path(__file__).parents[4] / 'shared' / 'data'
REAL = SHARED / 'vit_tiny_patch16_224' / 'vit_tiny_patch16_224_fp16.npz'
NAME = 'vit_tiny_patch16_224'


def teacher(weights=None, **kwargs) -> TimmTeacher:
    settings = {
        'in_channels': 6,
        'out_channels': 6,
        'num_prompts': 2,
        'model_args': TINY,
        **kwargs,
    }
    return TimmTeacher(settings.pop('model_name', NAME), weights, **settings)


def state_of(seed: int = 1, **args) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return timm.create_model(NAME, **{**TINY, **args}).state_dict()


def run(model: TimmTeacher) -> torch.Tensor:
    torch.manual_seed(0)
    return model(torch.rand(2, 4, model.in_channels), torch.rand(2, 4, 3))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    return tmp_path / 'teachers'


@pytest.fixture
def no_network(monkeypatch) -> None:
    create = timm.create_model

    def offline(name, pretrained=False, **kwargs):
        if pretrained:
            raise OSError('no network')
        return create(name, **kwargs)

    monkeypatch.setattr(timm, 'create_model', offline)
    monkeypatch.setattr(timm_models, 'is_downloaded', lambda name: False)


def test_registered() -> None:
    assert MODELS.module_dict['TimmTeacher'] is TimmTeacher


def test_state_dict_fills_blocks_and_norm() -> None:
    state = state_of()
    model = teacher(state)
    model.init_weights()
    for name, value in model.transformer.blocks.state_dict().items():
        assert torch.equal(value, state[f'blocks.{name}']), name
    assert torch.equal(model.transformer.norm.weight, state['norm.weight'])
    assert model.transformer.norm.eps == 1e-6
    assert not [n for n, _ in model.named_parameters() if 'patch' in n]
    # No file gives these weights again, so checkpoints hold them.
    assert 'encoder.module.norm.weight' in model.state_dict()


def test_file_of_the_teacher_folder(folder: Path) -> None:
    state = state_of()
    for name in ('mine.pth', f'{NAME}.pth'):
        torch.save(state, folder / name)
    torch.save(state_of(2), folder / 'other.pth')
    outputs = []
    for weights in ('mine.pth', None, str(folder / 'mine.pth'), 'other.pth'):
        torch.manual_seed(5)
        model = teacher(weights).eval()
        model.init_weights()
        outputs.append(run(model))
        assert 'encoder.frozen_source' in model.state_dict()
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])
    assert not torch.allclose(outputs[0], outputs[3], atol=1e-3)


def test_first_blocks() -> None:
    model = teacher(state_of(), num_layers=2)
    model.init_weights()
    assert len(model.transformer.blocks) == 2
    assert model.prompts.tokens.shape == (2, 2, 16)
    with pytest.raises(ValueError, match='within 1 and 3'):
        teacher(num_layers=4)


def test_misfitting_weights_are_refused() -> None:
    state = state_of()
    del state['blocks.1.mlp.fc1.bias']
    with pytest.raises(ValueError, match=r'missing: blocks\.1\.mlp\.fc1\.b'):
        teacher(state).init_weights()
    with pytest.raises(ValueError, match='of another shape'):
        teacher(state_of(embed_dim=32)).init_weights()


@pytest.mark.usefixtures('no_network')
def test_missing_weights(folder: Path) -> None:
    released = 'vit_base_patch16_384.augreg_in21k_ft_in1k'
    with pytest.raises(FileNotFoundError, match=r'gone\.pth are missing; put'):
        teacher('gone.pth').init_weights()
    with pytest.raises(FileNotFoundError, match='create_model') as error:
        teacher(None, model_name='vit_base_patch16_384').init_weights()
    assert released in str(error.value)
    assert str(folder / f'{released}.pth') in str(error.value)


@pytest.mark.usefixtures('no_network')
def test_requirements(folder: Path) -> None:
    check = TimmTeacher.check_requirements
    assert (
        'put the file at'
        in check({'model_name': NAME, 'weights': 'gone.pth'})[0]
    )
    assert 'create_model' in check({'model_name': NAME})[0]
    assert check({'model_name': NAME, 'pretrained': False}) == []
    torch.save(state_of(), folder / f'{NAME}.pth')
    assert check({'model_name': NAME}) == []
    assert check({'model_name': NAME, 'weights': f'{NAME}.pth'}) == []


@pytest.mark.parametrize('name', ['resnet10t', 'xcit_nano_12_p16_224'])
def test_models_that_cannot_run(name: str) -> None:
    with pytest.raises(ValueError, match='cannot be a teacher'):
        teacher(model_name=name, model_args=None, pretrained=False)


FAMILIES = {
    'deit_tiny_distilled_patch16_224': TINY,
    'beit_base_patch16_224': TINY,
    'beitv2_base_patch16_224': TINY,
    'vit_base_patch16_224': TINY,
    'vit_small_patch14_dinov2': {**TINY, 'img_size': 56},
    'vit_small_patch16_dinov3': TINY,
    'vit_base_patch16_siglip_224': TINY,
    'eva02_tiny_patch14_224': TINY,
    'vit_base_patch16_clip_224': TINY,
    'mixer_s32_224': {},
    'resmlp_12_224': {},
}


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('mode', ['deep', 'shallow'])
def test_families(name: str, mode: str) -> None:
    """Filled from timm's own state dict; every tensor of a block counts."""
    args = FAMILIES[name]
    torch.manual_seed(1)
    network = timm.create_model(name, **args)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.2)
    model = teacher(
        network.state_dict(),
        model_name=name,
        model_args=args,
        num_layers=2,
        num_prompts=45 if 'mixer' in name else 192,
        prompt_mode=mode,
    ).eval()
    model.init_weights()
    for value, other in zip(
        model.transformer.blocks[1].parameters(),
        [
            parameter
            for key, parameter in network.blocks[1].named_parameters()
            if 'relative_position' not in key
        ],
        strict=True,
    ):
        assert torch.equal(value, other)
    before = run(model)
    assert before.isfinite().all()
    assert (before - run(model)).abs().max() == 0
    first = model.transformer.blocks[0]
    scales = [
        value
        for key, value in first.named_parameters()
        if key in ('gamma_1', 'ls1', 'ls1.gamma')
    ]
    assert bool(scales) == any(
        word in name for word in ('beit', 'dino', 'resmlp')
    )
    with torch.no_grad():
        for value in scales:
            value.mul_(-3)
    changed = (run(model) - before).abs().max()
    assert (changed > 1e-4) == bool(scales)


def test_hybrid_model_runs() -> None:
    model = teacher(
        model_name='vit_base_r50_s16_224_in21k',
        pretrained=False,
        num_layers=1,
        model_args={'embed_dim': 16, 'num_heads': 2, 'depth': 2},
    ).eval()
    assert model.model_name == 'vit_base_r50_s16_224.orig_in21k'
    assert run(model).std() > 0


def test_norm_before_the_first_block() -> None:
    name = 'vit_base_patch16_clip_224'
    torch.manual_seed(0)
    network = timm.create_model(name, **TINY)
    torch.nn.init.normal_(network.norm_pre.weight)
    model = teacher(
        network.state_dict(), model_name=name, num_prompts=0, num_layers=1
    ).eval()
    model.init_weights()
    tokens, centers = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    x = network.norm_pre(model.proj_in(tokens)) + model.pos_embed(centers)
    want = model.proj_out(network.norm(network.eval().blocks[0](x)))
    torch.testing.assert_close(model(tokens, centers), want)


def test_mixers_say_the_right_number_of_prompts() -> None:
    sizes = {'num_codes': 8, 'code_dims': 6, 'decoder_dims': 8}

    def mixer(num_prompts: int) -> TimmTeacher:
        return teacher(
            model_name='resmlp_12_224',
            model_args=None,
            pretrained=False,
            num_prompts=num_prompts,
            num_layers=1,
        ).eval()

    with pytest.raises(ValueError, match='must be 132 for 64 patches, got 64'):
        DiscreteVAE(teacher=mixer(64), **sizes)
    DiscreteVAE(teacher=mixer(132), **sizes)
    with pytest.raises(ValueError, match='num_groups must be at most 196'):
        DiscreteVAE(num_groups=256, teacher=mixer(0), **sizes)
    with pytest.raises(ValueError, match='must be 192 for 4 patches, got 191'):
        run(mixer(191))


def test_names_of_an_earlier_timm() -> None:
    name = 'deit3_small_patch16_224'
    state = timm.create_model(name, **TINY).state_dict()
    old = {k.replace('ls1.gamma', 'gamma_1'): v for k, v in state.items()}
    old = {k.replace('ls2.gamma', 'gamma_2'): v for k, v in old.items()}
    model = teacher(old, model_name=name)
    model.init_weights()
    gamma = model.transformer.blocks[2].ls2.gamma
    assert torch.equal(gamma, state['blocks.2.ls2.gamma'])


def test_quick_gelu_weights_in_a_gelu_model_warn(
    folder: Path, monkeypatch
) -> None:
    name = 'vit_base_patch16_clip_224.openai'
    state = timm.create_model(name.partition('.')[0], **TINY).state_dict()
    torch.save(state, folder / f'{name}.pth')
    said: list[str] = []
    monkeypatch.setattr(
        module, 'print_log', lambda text, **_: said.append(text)
    )
    teacher(None, model_name=name).init_weights()
    assert 'clip_quickgelu' in said[0]


def test_where_weights_are(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, 'is_downloaded', lambda name: False)
    assert TimmTeacher.locate(NAME) is None
    torch.save(state_of(), folder / f'{NAME}.pth')
    assert TimmTeacher.locate(NAME) == str(folder / f'{NAME}.pth')
    monkeypatch.setattr(module, 'is_downloaded', lambda name: 'mae' in name)
    assert TimmTeacher.locate('vit_base_patch16_224') is None
    found = TimmTeacher.locate('vit_base_patch16_224', 'mae')
    assert found == 'cache of timm'
    assert NAME in TimmTeacher.list_models()


@pytest.mark.skipif(not REAL.is_file(), reason=f'{REAL.name} is not here')
def test_real_vit_tiny() -> None:
    model = teacher(REAL, model_args=None).eval()
    model.init_weights()
    assert model.embed_dims == 192
    assert len(model.transformer.blocks) == 12
    state = read_weights(REAL)
    weight = model.transformer.blocks[11].mlp.fc2.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state['blocks.11.mlp.fc2.weight'])
    entry = model.state_dict()['encoder.frozen_source']
    assert REAL.name in bytes(entry.numpy()).decode()
    assert run(model).isfinite().all()
