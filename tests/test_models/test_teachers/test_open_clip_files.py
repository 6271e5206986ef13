from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch

from mmdet3d_act.models.teachers import open_clip_files as module


def test_where_weights_are(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    plain = tmp_path / 'teachers' / 'ViT-B-16.pth'
    plain.touch()
    assert module.find_file('ViT-B-16', 'openai') == plain
    tagged = tmp_path / 'teachers' / 'ViT-B-16.openai.safetensors'
    tagged.touch()
    assert module.find_file('ViT-B-16', 'openai') == tagged
    assert module.find_file('ViT-B-16') == plain
    assert 'ViT-B-16.openai.pth' in module.how_to_get('ViT-B-16', 'openai')
    assert 'pretrained_tag' in module.how_to_get('ViT-B-16', None)


def test_cache_of_the_library(monkeypatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: list[tuple[str, str]] = []

    def cached(repository: str, file: str) -> str | None:
        asked.append((repository, file))
        return 'here' if 'laion' in repository else None

    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', cached)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert module.is_downloaded('ViT-B-16', 'laion2b_s34b_b88k')
    assert not module.is_downloaded('ViT-B-16', 'openai')
    assert ('timm/vit_base_patch16_clip_224.openai', module.HUB_FILES[0]) in (
        asked
    )
    folder = tmp_path / '.cache' / 'clip'
    folder.mkdir(parents=True)
    (folder / 'ViT-B-16.pt').touch()
    found = module.cached_file('ViT-B-16', 'openai')
    assert found == str(folder / 'ViT-B-16.pt')


def test_state_dict_of_a_file(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    path = tmp_path / 'teachers' / 'ViT-B-16.pth'
    torch.save({'visual.proj': torch.ones(2)}, path)
    state, source = module.read_state('ViT-B-16', None, None)
    assert list(state) == ['visual.proj']
    assert source == 'ViT-B-16.pth'
    given, source = module.read_state('ViT-B-16', None, {'a': torch.ones(1)})
    assert list(given) == ['a']
    assert source is None


def test_file_that_the_library_fetches(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    torch.save({'visual.proj': torch.ones(2)}, tmp_path / 'fetched.pt')
    monkeypatch.setattr(
        open_clip, 'download_pretrained', lambda cfg: tmp_path / 'fetched.pt'
    )
    _, source = module.read_state('ViT-B-16', 'openai', None)
    assert source == 'ViT-B-16.openai'
    with pytest.raises(FileNotFoundError, match='say which by pretrained_tag'):
        module.read_state('ViT-B-16', None, None)
