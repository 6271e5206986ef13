from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmdet3d_act.engine.preflight import collect_problems
from mmdet3d_act.models.target_generators import (
    ImagePatchTarget,
    StoredTarget,
    StoreError,
    TargetStore,
)
from mmdet3d_act.models.target_generators import stored_target as module
from mmdet3d_act.models.target_generators.stored_target import store_folder
from mmdet3d_act.registry import MODELS
from tests.paired_images import SIZE, MadeUpPairs, teacher_of, weights

PREPARE = dict(size=SIZE, crop='center')


def make_store(
    root: Path, seed: int = 0, data: str = 'data', **settings
) -> TargetStore:
    """Make the store of a teacher, as the tool does."""
    generator, pairs = teacher_of(weights(seed), **settings), MadeUpPairs()
    images = pairs.image_preparation
    identity = {**generator.identity(), 'images': images, 'data': [data]}
    store = TargetStore.create(
        store_folder(root, identity),
        identity,
        shape=generator.target_shape,
        keys=pairs.pair_keys(),
    )
    images = [pairs.prepared_image(key) for key in pairs.pair_keys()]
    store.write(range(5), generator.compute(torch.stack(images)))
    store.flush()
    return store


def samples(*numbers: int) -> list[SimpleNamespace]:
    names = [f'scene/{number:03d}' for number in numbers]
    return [SimpleNamespace(metainfo=dict(pair_key=name)) for name in names]


def inputs() -> dict:
    return {'points': torch.zeros(2, 4, 3)}


def test_gives_what_the_teacher_gives(tmp_path: Path) -> None:
    make_store(tmp_path)
    teacher, pairs = teacher_of(weights()), MadeUpPairs()
    stored = StoredTarget(tmp_path, teacher, prepare=PREPARE)
    stored.init_weights()
    assert stored.target_shape == teacher.target_shape
    target = stored(inputs(), None, samples(3, 1))
    images = [pairs.prepared_image(f'scene/{n:03d}') for n in (3, 1)]
    want = teacher({'images': torch.stack(images)})
    torch.testing.assert_close(target, want, rtol=1e-5, atol=1e-5)
    assert not list(stored.parameters())
    assert stored.state_dict() == {}


def test_stores_are_told_apart(tmp_path: Path) -> None:
    for settings in ({}, dict(seed=1), dict(normalize=True)):
        make_store(tmp_path, **settings)
    make_store(tmp_path, kind=ImagePatchTarget)
    stored = StoredTarget(tmp_path, teacher_of(weights(1)))
    target = stored(inputs(), None, samples(0))
    pairs = MadeUpPairs()
    image = pairs.prepared_image('scene/000')[None]
    want = teacher_of(weights(1)).compute(image)
    torch.testing.assert_close(target, want, rtol=1e-5, atol=1e-5)
    patches = StoredTarget(tmp_path, teacher_of(weights(), ImagePatchTarget))
    assert patches.grid == (2, 2)
    assert patches(inputs(), None, samples(0)).shape == (1, 4, 16)


def test_other_teachers_are_refused(tmp_path: Path) -> None:
    make_store(tmp_path)
    with pytest.raises(StoreError, match='normalize is False instead of True'):
        StoredTarget(
            tmp_path, teacher_of(weights(), normalize=True)
        ).init_weights()
    with pytest.raises(StoreError, match=r'encoder\.sha256'):
        StoredTarget(tmp_path, teacher_of(weights(1))).init_weights()
    with pytest.raises(StoreError, match=r"images\.crop is 'center' instead"):
        StoredTarget(
            tmp_path,
            teacher_of(weights()),
            prepare=dict(size=SIZE, crop='squash'),
        ).init_weights()


def test_several_stores_that_fit(tmp_path: Path) -> None:
    stores = [make_store(tmp_path), make_store(tmp_path, data='others')]
    teacher = teacher_of(weights())
    with pytest.raises(StoreError, match='give the path of one'):
        StoredTarget(tmp_path, teacher).init_weights()
    StoredTarget(stores[1].folder, teacher).init_weights()


@pytest.fixture
def config(tmp_path: Path, monkeypatch) -> dict:
    """Config of a teacher whose weights file is in the teacher folder."""
    pytest.importorskip('mmdet3d')
    from tests.paired_images import ENCODER

    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    torch.save(weights(), tmp_path / 'teachers' / 'vit.pth')
    encoder = dict(ENCODER, checkpoint='vit.pth')
    return dict(type='ImageEmbeddingTarget', encoder=encoder)


def test_weights_that_are_not_here(
    tmp_path: Path, config: dict, monkeypatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, 'warn', said.append)
    make_store(tmp_path / 'targets')
    cfg = dict(type='StoredTarget', teacher=config)
    stored = MODELS.build(cfg)
    stored.init_weights()
    assert not any('not on this machine' in text for text in said)
    (tmp_path / 'teachers' / 'vit.pth').unlink()
    # Neither the training nor the check before it needs the file.
    assert collect_problems(dict(model=cfg)) == []
    stored = MODELS.build(cfg)
    stored.init_weights()
    assert any('not on this machine' in text for text in said)
    assert stored(inputs(), None, samples(4)).shape == (1, 16)


def test_the_check_compares_settings(tmp_path: Path, config: dict) -> None:
    """Not the weights, which it would have to read."""
    cfg = dict(type='StoredTarget', path=tmp_path / 'stores', teacher=config)
    (problem,) = collect_problems(dict(model=cfg))
    assert 'no store of targets at' in problem
    make_store(tmp_path / 'stores', seed=1)
    assert collect_problems(dict(model=cfg)) == []
    other = dict(cfg, teacher=dict(config, normalize=True))
    (problem,) = collect_problems(dict(model=other))
    assert 'normalize is False instead of True' in problem
    (problem,) = collect_problems(dict(model=dict(cfg, prepare=dict(size=8))))
    assert 'images.size is 16 instead of 8' in problem
