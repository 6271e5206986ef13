from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from mmdet3d_act.models.teachers import TimmTeacher
from mmdet3d_act.models.teachers import timm_teacher as module
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
    monkeypatch.setattr(module, 'is_downloaded', lambda name: False)


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


def test_cache_of_the_library(monkeypatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(
        huggingface_hub, 'try_to_load_from_cache', lambda repo, file: None
    )
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: 'nowhere')
    assert not module.is_downloaded(NAME)
    monkeypatch.setattr(
        huggingface_hub,
        'try_to_load_from_cache',
        lambda repo, file: f'{repo}/{file}',
    )
    assert module.is_downloaded(NAME)
    assert not module.is_downloaded('no_such_model')


def test_every_released_name_is_known_to_timm() -> None:
    known = set(timm.list_models(pretrained=True))
    assert set(module.RELEASED_NAMES.values()) <= known


@pytest.mark.parametrize(
    ('name', 'args', 'match'),
    [
        ('beit_base_patch16_224', TINY, 'table of relative positions'),
        ('mixer_s32_224', {}, 'fixed number of tokens'),
        ('vit_base_patch16_clip_224', TINY, 'norm_pre'),
        ('resnet10t', {}, 'cannot be a teacher'),
        ('efficientnet_lite0', {}, 'cannot be a teacher'),
    ],
)
def test_models_that_cannot_run(name: str, args: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        teacher(model_name=name, model_args=args, pretrained=False)


def test_distilled_model_runs() -> None:
    model = teacher(
        model_name='deit_tiny_distilled_patch16_224', pretrained=False
    ).eval()
    assert run(model).std() > 0


@pytest.mark.skipif(not REAL.is_file(), reason=f'{REAL.name} is not here')
def test_real_vit_tiny() -> None:
    model = teacher(REAL, model_args=None).eval()
    model.init_weights()
    assert model.embed_dims == 192
    assert len(model.transformer.blocks) == 12
    state = module.read_weights(REAL)
    weight = model.transformer.blocks[11].mlp.fc2.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state['blocks.11.mlp.fc2.weight'])
    entry = model.state_dict()['encoder.frozen_source']
    assert REAL.name in bytes(entry.numpy()).decode()
    assert run(model).isfinite().all()
