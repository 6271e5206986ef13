"""Words for shapes: stored vectors, the teacher's text encoder, search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close as close

from mmdet3d_act.apis import (
    Embedder,
    from_pretrained,
    load_concepts,
    name_clouds,
    save_pretrained,
    search,
    text_vectors,
)
from mmdet3d_act.apis.students import ConceptStudent
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.models.backbones.pretrained import backbone_settings
from mmdet3d_act.models.teachers.open_clip_teacher import encode_texts
from mmdet3d_act.registry import MODELS
from mmdet3d_act_cli import main
from tests.test_models import toys

CONFIG = """
student = dict(
    type='PointTransformer', embed_dims=32, num_layers=2, num_heads=4,
    num_groups=8, group_size=4, patch_channels=(8, 16, 32), position='after',
    drop_path_rate=0.0, out_indices=(0, 1), norm_hidden_states=True)
concept = dict(
    target_generator=dict(type='VectorTarget', num_channels=6),
    target_norm=dict(type='TargetNorm', mode='whiten', num_channels=6),
    neck=dict(type='ConceptExtractor', embed_dims=32, num_concepts=4,
              num_layers=2, num_heads=4),
    head=dict(type='AlignmentHead', embed_dims=32, num_tokens=4,
              hidden_dims=16, loss=dict(type='NTXentFeatureLoss')))
model = dict(type='Distiller', student=student, predicts=('vectors',),
             objectives=dict(view=concept))
train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='SamplePoints', num_points=64)]))
"""
TEACHER, TAG = 'ViT-S-32-alt', 'mine'


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """A work directory of concept distillation, and its model."""
    folder = tmp_path_factory.mktemp('work')
    (folder / 'config.py').write_text(CONFIG)
    torch.manual_seed(0)
    model = MODELS.build(launch.load_config(str(folder / 'config.py')).model)
    model.eval().objectives['view'].target_norm.fit(
        [torch.randn(50, 6) @ torch.randn(6, 6) + 5]
    )
    # Predictions that differ from cloud to cloud.
    model.objectives['view'].head.fc2.weight.data *= 50
    meta = dict(backbone=backbone_settings(model.student))
    content = dict(state_dict=model.state_dict(), meta=meta)
    torch.save(content, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_1.pth'))
    return folder, model


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    folder = tmp_path / 'clouds'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, side in (('flat', (1, 0.1, 1)), ('tall', (0.1, 1, 0.1))):
        points = rng.uniform(-1, 1, (64, 3)) * side
        np.save(folder / f'{name}.npy', points.astype('f4'))
    return folder


@pytest.fixture
def student(trained: tuple, clouds: Path, tmp_path: Path) -> Path:
    """A student whose texts are what it predicts of the clouds."""
    found = load_concepts(trained[0])
    embed = Embedder(found, up_axis='y')
    words = {
        Path(one['path']).stem: torch.from_numpy(one['vector'])
        for one in embed(clouds)['predictions']
    }
    return save_pretrained(found, tmp_path / 'student', texts=words)


def test_a_folder_predicts_what_the_training_did(trained, tmp_path):
    folder, model = trained
    clouds = torch.rand(4, 64, 3)
    inputs = dict(inputs=dict(points=clouds), data_samples=toys.samples(4))
    expected = model(**inputs, mode='predict')
    first = load_concepts(folder)
    saved = save_pretrained(first, tmp_path / 'a', texts={'x': torch.ones(6)})
    second = load_concepts(saved)
    other = save_pretrained(first, tmp_path / 'b', texts={'x': torch.ones(6)})
    save_pretrained(first, other)
    assert not (other / 'texts.safetensors').exists()
    with pytest.raises(TypeError, match='texts'):
        save_pretrained(first.model, other, texts={'x': torch.ones(6)})
    for found in (first, second):
        inputs['data_samples'] = toys.samples(4)
        samples = found.model(**inputs, mode='predict')
        for one, other in zip(samples, expected, strict=True):
            vector = other.pred_vectors['view']
            close(one.pred_vectors['concept'], vector, atol=1e-4, rtol=1e-4)
    assert second.texts['x'].tolist() == [1.0] * 6
    # Without target_norm, as the target: whitened back, less the mean.
    norm = model.objectives['view'].target_norm
    samples = model(**inputs, mode='predict')
    vector = samples[0].pred_vectors['view']
    tokens = model.objectives['view'].neck(
        model.student.encode(model.student.group(clouds))
    )
    target = model.objectives['view'].head(tokens)[0]
    close(norm(vector + norm.mean), target, atol=1e-3, rtol=1e-3)
    # It is a backbone as any other.
    one, other = (from_pretrained(place) for place in (folder, saved))
    assert torch.equal(one(clouds)['features'], other(clouds)['features'])
    assert other.pretrained_meta.keys() == one.pretrained_meta.keys()


def test_a_text_finds_its_cloud_and_a_cloud_its_name(
    student, clouds, tmp_path, monkeypatch, capsys
):
    loaded = load_concepts(student)
    embedder = Embedder(loaded, up_axis='y')
    index = tmp_path / 'index'
    for word in ('flat', 'tall'):
        found, _ = search(embedder, None, clouds, index, text=f' {word}')
        assert Path(found[0].path).stem == word
        assert found[0].similarity > 0 > found[1].similarity
    out = tmp_path / 'named'
    names = ['Tall', 'flat']
    told = dict(name_clouds(embedder, [clouds], names, out))
    for file, classes in told.items():
        assert classes[0][0].lower() == Path(file).stem
        assert classes[0][1] == -classes[1][1]
    monkeypatch.chdir(tmp_path)
    axis = ['--up-axis', 'y']
    words = ['predict', str(student), str(clouds), '--out', 'b', *axis]
    assert main([*words, '--classes', *names]) == 0
    written = [json.loads(p.read_text()) for p in sorted(out.glob('*.json'))]
    assert written[0]['classes'][0]['label'] == 'flat'
    assert len([*(tmp_path / 'b').glob('*.json')]) == 2
    words = ['search', str(clouds), '--text', 'flat', '--student']
    assert main([*words, str(student), *axis]) == 0
    assert (tmp_path / 'search_flat.png').is_file()
    listed = capsys.readouterr().out.split('shape\n')[1]
    assert listed.splitlines()[0].endswith('flat.npy')


def with_teacher(student: Path, **teacher: str) -> ConceptStudent:
    found = load_concepts(student)
    return found._replace(config=found.config | dict(teacher=teacher))


def test_other_words_are_the_text_encoders(student, tmp_path, monkeypatch):
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    asked = with_teacher(student, model_name=TEACHER)
    with pytest.raises(UsageError, match=f"'sofa'.*'flat'.*{TEACHER}"):
        text_vectors(asked, ['flat', 'sofa'])
    torch.manual_seed(0)
    model = open_clip.create_model(TEACHER).eval()
    (tmp_path / 'teachers').mkdir()
    file = tmp_path / 'teachers' / f'{TEACHER}.safetensors'
    save_file(model.state_dict(), file)
    prompts = ['a photo of a sofa.', 'a sofa.']
    with torch.no_grad():
        tokens = open_clip.get_tokenizer(TEACHER)(prompts)
        expected = model.encode_text(tokens, normalize=True)
    close(encode_texts(prompts, TEACHER), expected)
    (mean,) = text_vectors(asked, ['sofa'], ['a photo of a {}.', 'a {}.'])
    close(torch.from_numpy(mean), expected.mean(0))
    # Given prompts are of stored texts, too; {x} is a word of them.
    given = text_vectors(asked, ['flat'], ['{} {x}'])
    close(torch.from_numpy(given), encode_texts(['flat {x}'], TEACHER))
    save_file(
        {k: v for k, v in model.state_dict().items() if 'visual' in k}, file
    )
    with pytest.raises(UsageError, match='visual tower alone'):
        text_vectors(asked, ['sofa'])


def test_refusals(student, trained, clouds, tmp_path, capsys):
    with pytest.raises(UsageError, match='act-mini does not predict'):
        load_concepts('act-mini')
    loaded = load_concepts(student)
    with pytest.raises(UsageError, match=r"'sofa'.*save_pretrained"):
        text_vectors(loaded, ['sofa'])
    with pytest.raises(UsageError, match='two classes, got flat'):
        next(name_clouds(Embedder(loaded), [clouds], ['flat'], tmp_path))
    with pytest.raises(UsageError, match=r'prompt.*chair'):
        text_vectors(loaded, ['flat'], ['chair'])
    file = tmp_path / 'texts.safetensors'
    save_file(dict(sofa=torch.ones(6).bfloat16()), file)
    found = load_concepts(student, file)
    assert text_vectors(found, ['Sofa']).tolist() == [[1] * 6]
    with pytest.raises(UsageError, match=r"'flat' by the given prompts"):
        text_vectors(found, ['flat'], ['a {}'])
    save_file(dict(sofa=torch.ones(5)), file)
    with pytest.raises(UsageError, match=r"texts.*'sofa'.*\(5,\).*\(6,\)"):
        load_concepts(student, file)
    words = ['predict', str(student), str(clouds)]
    for more in (['--prompts', '{}'], ['--classes', 'a', '--config', 'b']):
        assert main([*words, *more]) == 2
        assert '--classes' in capsys.readouterr().err
    # A caption's prefix is no vector of a text.
    text = CONFIG.replace("'VectorTarget', num", "'CaptionPrefixTarget', num")
    (trained[0] / 'config.py').write_text(text)
    with pytest.raises(UsageError, match='does not predict'):
        load_concepts(trained[0])
    (trained[0] / 'config.py').write_text(CONFIG)
