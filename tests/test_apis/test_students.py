"""Students by name, by folder and from work directories."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act import from_pretrained, save_pretrained
from mmdet3d_act.apis import list_students, push_to_hub, students
from mmdet3d_act.checkpoint import (
    CheckpointError,
    MissingCheckpointError,
)
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.backbones.pretrained import backbone_settings
from mmdet3d_act.students import student_names

SIZES = dict(
    embed_dims=32,
    num_layers=2,
    num_heads=4,
    num_groups=8,
    group_size=4,
    patch_channels=(8, 16, 32),
    position='after',
    drop_path_rate=0.0,
)
CLOUDS = torch.rand(2, 64, 3, generator=torch.Generator().manual_seed(0))


def make_student(seed: int = 0) -> PointTransformer:
    torch.manual_seed(seed)
    return PointTransformer(**SIZES).eval()


def same_features(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    with torch.no_grad():
        found = [model(CLOUDS)['features'] for model in (one, other)]
    return torch.equal(*found)


def test_a_folder_keeps_weights_sizes_and_what_is_known_of_the_data(tmp_path):
    student = make_student()
    facts = dict(up_axis='z', num_points=64, classes=['a', 'b'], unit='metre')
    folder = save_pretrained(student, tmp_path / 'one', card='Text.', **facts)
    assert {file.name for file in folder.iterdir()} == {
        'README.md',
        'config.json',
        'model.safetensors',
    }
    found = from_pretrained(folder)
    assert not found.training
    assert same_features(found, student)
    assert found.pretrained_meta == facts | dict(normalization='unit_sphere')
    card = (folder / 'README.md').read_text()
    assert card.startswith('---\nlibrary_name: mmdet3d_act')
    assert 'Text.' in card
    # What was loaded is saved with the same knowledge.
    again = save_pretrained(found, tmp_path / 'two')
    assert json.loads((again / 'config.json').read_text()) == json.loads(
        (folder / 'config.json').read_text()
    )


def test_the_folder_of_a_pretrain_means_its_student(tmp_path):
    student = make_student()
    save_pretrained(student, tmp_path / 'student')
    assert same_features(from_pretrained(tmp_path), student)


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    student, folder = make_student(), tmp_path / 'one'
    for fact in ('normalization', 'up_axis', 'num_points'):
        with pytest.raises(ValueError, match=f'{fact}.*unit and classes'):
            save_pretrained(student, folder, **{fact: None})
    assert not folder.exists()
    facts = dict(classes=np.array(['a', 'b']), num_points=np.int64(64))
    save_pretrained(student, folder, unit='metre', **facts)
    found = from_pretrained(folder)
    assert found.pretrained_meta['classes'] == ['a', 'b']
    assert found.pretrained_meta['num_points'] == 64
    save_pretrained(found, folder, unit=None, classes=None)
    assert not {'unit', 'classes'} & set(
        from_pretrained(folder).pretrained_meta
    )


def test_a_folder_is_a_checkpoint_of_init_cfg(tmp_path):
    student = make_student()
    folder = save_pretrained(student, tmp_path / 'one', up_axis='z')
    init = dict(type='Pretrained', checkpoint=str(folder))
    backbone = PointTransformer(**SIZES, init_cfg=init).eval()
    backbone.init_weights()
    assert same_features(backbone, student)
    assert backbone.pretrained_meta['up_axis'] == 'z'
    # Two heads would give other features from the same weights.
    other = PointTransformer(**{**SIZES, 'num_heads': 2}, init_cfg=init)
    with pytest.raises(CheckpointError, match='num_heads'):
        other.init_weights()


def test_a_work_directory_is_a_student(tmp_path):
    student = make_student()
    state = {f'student.{k}': v for k, v in student.state_dict().items()}
    meta = dict(
        backbone=backbone_settings(student), dataset_meta=dict(up_axis='z')
    )
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'epoch_3.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    (tmp_path / 'config.py').write_text(
        'train_dataloader = dict(dataset=dict(pipeline=['
        "dict(type='SamplePoints', num_points=48)]))\n"
    )
    found = from_pretrained(tmp_path)
    assert same_features(found, student)
    assert found.pretrained_meta['num_points'] == 48
    assert found.pretrained_meta['up_axis'] == 'z'


def test_the_shipped_students_are_small_and_load_by_their_name():
    assert [one['name'] for one in list_students()] == student_names()
    for one in list_students():
        assert one['megabytes'] < 5
        assert Path(one['card']).stat().st_size > 500
        student = from_pretrained(one['name'])
        features = student(torch.rand(1, one['num_points'], 3))['features']
        assert features.isfinite().all()
        sizes = {k: v for k, v in one['backbone'].items() if k != 'type'}
        init = dict(type='Pretrained', checkpoint=one['name'])
        PointTransformer(**sizes, init_cfg=init).init_weights()


def test_the_hub(tmp_path, monkeypatch):
    folder = save_pretrained(make_student(), tmp_path / 'one')
    monkeypatch.setattr(
        students, 'snapshot_download', lambda name, **_: str(folder)
    )
    assert same_features(from_pretrained('me/one'), make_student())
    done = []

    class Api:
        def create_repo(self, *args: str, **options: bool) -> str:
            done.append((args, options))
            return 'https://hub/me/one'

        def upload_folder(self, **options: str) -> None:
            done.append(options)

    monkeypatch.setattr(students, 'HfApi', Api)
    assert push_to_hub(folder, 'me/one') == 'https://hub/me/one'
    assert done[0] == (('me/one',), dict(private=False, exist_ok=True))
    assert done[1] == dict(
        repo_id='me/one',
        folder_path=str(folder),
        allow_patterns=[*students.FILES],
    )
    # All that is beside the checkpoints of a training stays here.
    torch.save(make_student().state_dict(), tmp_path / 'epoch_3.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    for other in (tmp_path, tmp_path / 'epoch_3.pth'):
        with pytest.raises(UsageError, match='save_pretrained'):
            push_to_hub(other, 'me/one')
    assert len(done) == 2


def test_refusals(tmp_path, monkeypatch):
    near = student_names()[0] + 'x'
    with pytest.raises(MissingCheckpointError, match=f'{near[:-1]}.*mean'):
        from_pretrained(near)

    def offline(name: str, **_: object) -> str:
        raise OSError('no network')

    monkeypatch.setattr(students, 'snapshot_download', offline)
    with pytest.raises(MissingCheckpointError, match=r'me/none.*no network'):
        from_pretrained('me/none')
    torch.save(make_student().state_dict(), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'a\.pth.*heads'):
        from_pretrained(tmp_path / 'a.pth')
    with pytest.raises(TypeError, match='Linear'):
        save_pretrained(torch.nn.Linear(1, 1), tmp_path)
