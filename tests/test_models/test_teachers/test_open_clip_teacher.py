from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmdet3d_act.models.teachers import OpenCLIPTeacher, open_clip_files
from mmdet3d_act.models.teachers import open_clip_teacher as module
from mmdet3d_act.registry import MODELS

TINY = {'width': 32, 'layers': 3, 'head_width': 16, 'image_size': 32}
NAME = 'ViT-B-16'


def whole_model(seed: int = 0, **vision) -> nn.Module:
    torch.manual_seed(seed)
    model = open_clip.CLIP(
        embed_dim=8,
        vision_cfg={**TINY, **vision},
        text_cfg={'width': 32, 'layers': 3, 'heads': 2},
    )
    for value in model.parameters():
        nn.init.normal_(value, std=0.3)
    return model.eval()


def teacher(weights=None, **kwargs) -> OpenCLIPTeacher:
    settings = {
        'in_channels': 6,
        'out_channels': 6,
        'num_prompts': 2,
        'model_args': TINY,
        **kwargs,
    }
    return OpenCLIPTeacher(
        settings.pop('model_name', NAME), weights, **settings
    ).eval()


def ready(weights=None, **kwargs) -> OpenCLIPTeacher:
    model = teacher(weights, **kwargs)
    model.init_weights()
    for value in model.prompts.parameters():
        nn.init.normal_(value)
    return model


def run(model: OpenCLIPTeacher, batch: int = 2) -> torch.Tensor:
    torch.manual_seed(0)
    tokens, centers = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    return model(tokens[:batch], centers[:batch])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    return tmp_path / 'teachers'


@pytest.fixture
def said(monkeypatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(
        module, 'print_log', lambda text, **_: texts.append(text)
    )
    return texts


def test_registered() -> None:
    assert MODELS.module_dict['OpenCLIPTeacher'] is OpenCLIPTeacher


def test_equals_the_librarys_tower() -> None:
    """Norm, positions, blocks, norm; the library's own blocks."""
    network = whole_model()
    model = ready(network.state_dict(), num_prompts=0)
    tokens, centers = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    visual, pos = network.visual, model.pos_embed(centers)
    x = visual.ln_pre(model.proj_in(tokens))
    for block in visual.transformer.resblocks:
        x = block(x + pos)
    want = model.proj_out(visual.ln_post(x))
    got = model(tokens, centers)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_first_prompts_go_through_the_norm() -> None:
    model = ready(whole_model().state_dict(), prompt_mode='shallow')
    torch.manual_seed(0)
    states = model.forward_hidden(torch.rand(2, 4, 6), torch.rand(2, 4, 3))
    both = torch.cat(
        [model.prompts.tokens.expand(2, -1, -1), states.projected], dim=1
    )
    want = model.transformer.pre_norm(both)
    torch.testing.assert_close(states.pre_normed, want)


def test_activation_changes_the_output(said: list[str]) -> None:
    state = whole_model().state_dict()
    outputs = []
    for settings in (
        {'quick_gelu': True},
        {'model_name': f'{NAME}-quickgelu'},
        {'pretrained_tag': 'openai'},
        {'quick_gelu': False},
        {},
    ):
        torch.manual_seed(5)
        outputs.append(run(ready(state, **settings)))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])
    assert torch.equal(outputs[3], outputs[4])
    assert (outputs[0] - outputs[3]).abs().max() > 1e-4
    warnings = [text for text in said if 'quick-GELU' in text]
    assert len(warnings) == 1
    assert f'{NAME}-quickgelu' in warnings[0]


def test_published_attention() -> None:
    state = whole_model().state_dict()
    ours = ready(state, quick_gelu=True)
    torch.testing.assert_close(run(ours)[:1], run(ours, batch=1))
    released = ready(state, quick_gelu=True, published_batch_attention=True)
    apart = run(released)[:1] - run(released, batch=1)
    assert apart.abs().max() > 1e-3
    run(released).square().sum().backward()
    # Samples attend to each other at each token, never to the prompts.
    assert released.prompts.tokens.grad.abs().max() == 0
    run(ours).square().sum().backward()
    assert ours.prompts.tokens.grad.abs().max() > 0
    for settings in ({'prompt_mode': 'shallow'}, {'num_prompts': 0}):
        with pytest.raises(ValueError, match='with deep prompts only'):
            teacher(published_batch_attention=True, **settings)


def test_text_tower() -> None:
    network = whole_model()
    args = {'width': 32, 'layers': 3, 'heads': 2}
    model = ready(
        network.state_dict(),
        tower='text',
        model_args=args,
        num_prompts=0,
        quick_gelu=False,
    )
    own = network.transformer.resblocks[2].mlp.c_fc.weight
    assert torch.equal(model.transformer.blocks[2].mlp.c_fc.weight, own)
    assert torch.equal(model.transformer.norm.bias, network.ln_final.bias)
    # In both directions: the first patch sees the last.
    tokens, centers = torch.rand(2, 4, 6), torch.rand(2, 4, 3)
    before = model(tokens, centers)[:, 0]
    tokens[:, 3] += 1
    after = model(tokens, centers)[:, 0]
    assert (after - before).abs().max() > 1e-4


def test_formats_and_places(folder: Path) -> None:
    network = whole_model()
    state = network.state_dict()
    torch.save(state, folder / f'{NAME}.openai.pt')
    torch.save({'state_dict': state}, folder / 'mine.pth')
    save_file(state, folder / 'mine.safetensors')
    torch.save(network.visual.state_dict(), folder / 'visual.pth')
    outputs = []
    for weights in (
        None,
        'mine.pth',
        folder / 'mine.safetensors',
        'visual.pth',
        state,
    ):
        torch.manual_seed(5)
        model = ready(weights, pretrained_tag='openai')
        outputs.append(run(model))
        stored = 'encoder.frozen_source' in model.state_dict()
        assert stored == (weights is not state)
    assert all(torch.equal(outputs[0], other) for other in outputs)
    assert OpenCLIPTeacher.locate(NAME) == str(folder / f'{NAME}.openai.pt')


def test_text_weights_are_not_taken_for_visual_ones() -> None:
    state = {
        key: value
        for key, value in whole_model().state_dict().items()
        if not key.startswith('visual.')
    }
    with pytest.raises(ValueError, match='missing: visual'):
        teacher(state, quick_gelu=True).init_weights()


def test_torch_script_is_refused(folder: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(folder / 'openai.pt')
    with pytest.raises(ValueError, match=r'TorchScript .*torch\.jit\.load'):
        teacher('openai.pt', quick_gelu=True).init_weights()


def test_missing_weights(folder: Path, monkeypatch) -> None:
    def offline(*_args, **_settings):
        raise OSError('no network')

    monkeypatch.setattr(open_clip, 'download_pretrained', offline)
    for one in (module, open_clip_files):
        monkeypatch.setattr(one, 'is_downloaded', lambda name, tag: False)
    with pytest.raises(FileNotFoundError, match=r'gone\.pth are missing'):
        teacher('gone.pth').init_weights()
    with pytest.raises(FileNotFoundError, match='OSError: no network'):
        teacher(pretrained_tag='openai').init_weights()
    with pytest.raises(FileNotFoundError, match='say which by pretrained_tag'):
        teacher().init_weights()
    check = OpenCLIPTeacher.check_requirements
    assert check({'model_name': NAME, 'pretrained': False}) == []
    assert 'put the file' in check({'model_name': NAME, 'weights': 'x.pth'})[0]
    assert 'pretrained_tag' in check({'model_name': NAME})[0]
    tagged = {'model_name': NAME, 'pretrained_tag': 'openai'}
    assert 'get_pretrained_cfg' in check(tagged)[0]
    assert OpenCLIPTeacher.locate(NAME) is None
    with pytest.raises(ValueError, match='no weights'):
        check({'model_name': NAME, 'pretrained_tag': 'mine'})
    (folder / f'{NAME}.openai.pth').touch()
    assert check(tagged) == []
    for one in (module, open_clip_files):
        monkeypatch.setattr(one, 'is_downloaded', lambda name, tag: True)
    (folder / f'{NAME}.openai.pth').unlink()
    assert check(tagged) == []
    assert OpenCLIPTeacher.locate(NAME) == 'cache of open_clip'


def test_tower_of_timm() -> None:
    model = teacher(
        model_name='ViT-B-32-SigLIP2-256',
        model_args=None,
        num_layers=1,
        pretrained=False,
    )
    assert run(model).isfinite().all()
    assert model.embed_dims == 768


def test_refusals() -> None:
    with pytest.raises(ValueError, match='not a Transformer'):
        teacher(model_name='RN50', model_args=None)
    assert 'not a Transformer' in OpenCLIPTeacher.refusal('RN50')
    for name in (NAME, 'ViT-B/16', 'CLIP:ViT-B/16'):
        assert OpenCLIPTeacher.refusal(name, num_layers=1) is None
    assert teacher(model_name='ViT-B/16', pretrained=False).model_name == NAME
    assert NAME in OpenCLIPTeacher.list_models()
    assert OpenCLIPTeacher.describe(NAME)[:3] == (768, 12, 12)
