"""The catalogue against the libraries, the configs and the docs."""

from __future__ import annotations

import shutil
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import transformers
from huggingface_hub import constants
from mmengine.config import Config
from timm.models import get_pretrained_cfg

from mmdet3d_act.models import teachers
from mmdet3d_act.models.teachers import catalog as module
from mmdet3d_act.models.teachers.language_families import KNOWN_CONFIGS
from mmdet3d_act.models.teachers.timm_models import RELEASED_NAMES
from tests.small_data import ROOT

ENTRIES = pytest.mark.parametrize(
    'entry', module.CATALOG, ids=[entry.key for entry in module.CATALOG]
)
FOLDER = ROOT / 'configs' / 'act'
SMALL = {'vit-tiny', 'minilm'}


def whole_model(entry: module.CatalogEntry) -> torch.nn.Module:
    """Return the library's own model, which its file fills."""
    with torch.device('meta'):
        if entry.type == 'TimmTeacher':
            return timm.create_model(entry.model)
        if entry.type == 'OpenCLIPTeacher':
            return open_clip.CLIP(**open_clip.get_model_config(entry.model))
        settings = {'model_type': 'bert', **KNOWN_CONFIGS[entry.model]}
        config = transformers.AutoConfig.for_model(**settings)
        return transformers.AutoModel.from_config(config)


@ENTRIES
def test_sizes_are_the_libraries(entry: module.CatalogEntry) -> None:
    cls = getattr(teachers, entry.type)
    facts = cls.describe(entry.model)
    assert facts.embed_dims == entry.embed_dims
    assert facts.num_layers == entry.num_layers
    assert facts.num_parameters == entry.num_parameters
    sizes = [value.numel() for value in whole_model(entry).parameters()]
    assert sum(sizes) == entry.file_parameters
    if facts.num_tokens is not None:
        assert facts.num_tokens == entry.num_prompts + 64


@ENTRIES
def test_source_and_licence(entry: module.CatalogEntry) -> None:
    if entry.type == 'LanguageTeacher':
        assert entry.hub.endswith(f'/{entry.model}')
        return
    if entry.type == 'OpenCLIPTeacher':
        cfg = open_clip.get_pretrained_cfg(entry.model, entry.tag)
        assert cfg['hf_hub'].rstrip('/') == entry.hub
    name = entry.hub.removeprefix('timm/')
    cfg = get_pretrained_cfg(name)
    assert cfg.hf_hub_id == entry.hub
    assert cfg.license == entry.licence


def test_every_released_name_is_there() -> None:
    known = {
        released: entry.model
        for entry in module.CATALOG
        for released in entry.released
        if entry.type == 'TimmTeacher'
    }
    assert known == RELEASED_NAMES


@ENTRIES
def test_config_names_the_teacher(entry: module.CatalogEntry) -> None:
    if entry.config is None:
        return
    found = Config.fromfile(FOLDER / entry.config).model.teacher
    wanted = entry.teacher()
    if entry.key in SMALL:
        del wanted['num_prompts']
    assert {key: found.get(key) for key in wanted} == wanted
    second = FOLDER / entry.config.replace('dvae', 'pretrain')
    assert second.is_file()


def test_every_teacher_config_is_in_the_catalogue() -> None:
    named = {entry.config for entry in module.CATALOG}
    have = {path.name for path in FOLDER.glob('act_dvae_shapenet*.py')}
    assert have == named - {None}
    keys = [entry.key for entry in module.CATALOG]
    assert len(set(keys)) == len(keys)


def test_table_of_the_docs() -> None:
    text = (ROOT / 'docs' / 'teachers.md').read_text(encoding='utf-8')
    assert module.markdown_table() in text


@ENTRIES
def test_weights_are_found_where_the_teacher_finds_them(
    entry: module.CatalogEntry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(module.language_files, 'MINILM_PACKAGE', 'none_such')
    cls = getattr(teachers, entry.type)
    tag = {} if entry.tag is None else {'pretrained_tag': entry.tag}
    assert module.weights_of(entry) is None
    assert cls.locate(entry.model, **tag) is None
    snapshot = tmp_path / 'hub' / f'models--{entry.hub.replace("/", "--")}'
    (snapshot / 'refs').mkdir(parents=True)
    (snapshot / 'refs' / 'main').write_text('abc')
    clip = 'open_clip_' * (entry.type == 'OpenCLIPTeacher')
    file = snapshot / 'snapshots' / 'abc' / f'{clip}model.safetensors'
    file.parent.mkdir(parents=True)
    file.touch()
    assert module.weights_of(entry) == file
    assert cls.locate(entry.model, **tag) is not None
    shutil.rmtree(tmp_path / 'hub')
    own = tmp_path / 'teachers' / f'{entry.model}.safetensors'
    own.parent.mkdir()
    own.touch()
    assert module.weights_of(entry) == own
    assert cls.locate(entry.model, **tag) == str(own)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.missing_package('TimmTeacher') is None
    monkeypatch.setitem(
        module.REQUIREMENTS, 'TimmTeacher', ('none_such', 'teacher')
    )
    problem = module.missing_package('TimmTeacher')
    assert 'none_such is not installed' in problem
    assert '"mmdet3d_act[teacher]"' in problem


def test_no_library_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, 'find_spec', lambda name: None)
    assert module.in_hub_cache('timm/anything') is None
