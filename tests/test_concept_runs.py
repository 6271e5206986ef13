"""A few steps of the small configs of concept distillation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS
from tests.config_files import CONFIGS, RUN, load
from tests.paired_images import write_vit_tiny
from tests.rgbd_files import write_frames

pytest.importorskip('timm')
FRAMES = 'concept/concept_pretrain_scannet_'
CONTROL = 'point-mae/point-mae_pretrain_scannet-frames_'


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root but for a ViT-Tiny."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    for name in ('ACT_AUTOENCODER', 'CONCEPT_PRETRAINED'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    write_vit_tiny(tmp_path)
    return tmp_path


@pytest.fixture
def frames(data_root: Path) -> Path:
    """Two scenes of five frames."""
    return write_frames(data_root)


@pytest.fixture
def renders(data_root: Path) -> Path:
    """Eight objects, a render of each and its vector."""
    root = data_root / 'object_renders'
    (root / 'points').mkdir(parents=True)
    (root / 'vectors').mkdir()
    rng = np.random.default_rng(0)
    names = [f'object{i}' for i in range(8)]
    for name in names:
        points = rng.normal(size=(1500, 3)).astype(np.float32)
        np.save(root / 'points' / f'{name}.npy', points)
        (root / 'images' / name).mkdir(parents=True)
        image = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(image).save(root / 'images' / name / '1.png')
    (root / 'train.txt').write_text('\n'.join(names[:6]) + '\n')
    (root / 'test.txt').write_text('\n'.join(names[6:]) + '\n')
    np.savez(
        root / 'vectors' / 'azure.npz',
        image=rng.normal(size=(8, 1024)).astype(np.float16),
        image_key=np.array([f'{name}/1' for name in names]),
    )
    return root


def run(name: str, batch_size: int, **options: object) -> list[dict]:
    """Train an epoch and validate; return the lines of the log."""
    batch = {'train_dataloader.batch_size': batch_size}
    folder = Path('work_dirs') / Path(name).stem
    cfg = prepare_config(
        str(CONFIGS / name), str(folder), options={**RUN, **batch, **options}
    )
    state = torch.load(train(cfg), weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in state.values())
    (log,) = folder.rglob('scalars.json')
    return [json.loads(line) for line in log.read_text().splitlines()]


def student_of(name: str) -> dict[str, torch.Tensor]:
    """Return the student's weights after :func:`run`."""
    (path,) = (Path('work_dirs') / Path(name).stem).glob('epoch_*.pth')
    state = torch.load(path, weights_only=True)['state_dict']
    start = 'student.'
    return {k[len(start) :]: v for k, v in state.items() if start == k[:8]}


@pytest.mark.usefixtures('frames')
@pytest.mark.parametrize(
    ('name', 'losses', 'validated'),
    [
        (f'{FRAMES}tiny.py', ['concept'], 'recall_1'),
        (f'{FRAMES}metres-tiny.py', ['concept'], 'recall_1'),
        (f'{FRAMES}no-concepts-tiny.py', ['concept'], 'recall_1'),
        (f'{FRAMES}both-tiny.py', ['concept', 'reconstruction'], 'recall_1'),
        (f'{FRAMES}local-alignment-tiny.py', ['local'], 'local.loss'),
        (
            f'{FRAMES}reconstruction-tiny.py',
            ['reconstruction'],
            'reconstruction.loss',
        ),
        (f'{CONTROL}tiny.py', ['point_mae'], 'point_mae.loss'),
        (f'{CONTROL}metres-tiny.py', ['point_mae'], 'point_mae.loss'),
    ],
)
def test_frames(name: str, losses: list[str], validated: str) -> None:
    *steps, last = run(name, 4)
    assert len(steps) == 2
    for step in steps:
        found = [key for key in step if key.endswith('.loss')]
        assert found == [f'{objective}.loss' for objective in losses]
        assert step['loss'] == pytest.approx(sum(step[key] for key in found))
    assert validated in last


@pytest.mark.usefixtures('frames')
def test_a_probe_leaves_the_student_alone() -> None:
    name = 'concept/concept_probe-reconstruction_scannet_tiny.py'
    run(f'{FRAMES}tiny.py', 4)
    last = run(name, 4)[-1]
    before, after = student_of(f'{FRAMES}tiny.py'), student_of(name)
    assert after
    assert all(torch.equal(before[key], after[key]) for key in after)
    assert 'reconstruction.loss' in last


@pytest.mark.usefixtures('frames')
def test_the_student_of_metres_goes_into_a_detector() -> None:
    name = f'{FRAMES}metres-tiny.py'
    run(name, 4)
    cfg = load('concept/concept_3detr_scannet_tiny.py').model.backbone
    cfg.init_cfg.checkpoint = 'work_dirs/concept_pretrain_scannet_metres-tiny'
    backbone: PointTransformer = MODELS.build(cfg)
    backbone.init_weights()
    student = student_of(name)
    weights = backbone.state_dict()
    assert all(torch.equal(weights[key], student[key]) for key in student)


@pytest.mark.usefixtures('renders')
def test_objects() -> None:
    *steps, last = run('concept/concept_pretrain_shapenet_tiny.py', 3)
    assert len(steps) == 2
    assert (last['chance_1'], last['recall_5']) == (50.0, 100.0)
    assert all('concept.constant_baseline' in step for step in steps)


@pytest.mark.usefixtures('renders')
def test_two_teachers_are_summed_with_their_weights() -> None:
    name = 'concept/concept_pretrain_shapenet_two-teachers-tiny.py'
    *steps, last = run(name, 3)
    for step in steps:
        total = step['concept.loss'] + step['image.loss']
        assert step['loss'] == pytest.approx(total)
        # Standardised targets: half of the variance, for half the weight.
        assert step['image.constant_baseline'] == pytest.approx(0.5, abs=0.4)
    assert {'concept_recall_1', 'image_recall_1'} <= last.keys()


@pytest.mark.usefixtures('renders')
def test_act_and_concepts_on_one_student() -> None:
    stage1 = load('act/act_dvae_shapenet_tiny.py')
    autoencoder = MODELS.build(stage1.model)
    autoencoder.init_weights()
    torch.save(dict(state_dict=autoencoder.state_dict()), 'stage1.pth')
    key = 'model.objectives.act.target_generator.checkpoint'
    name = 'concept/concept_pretrain_shapenet_with-act-tiny.py'
    *steps, last = run(name, 3, **{key: 'stage1.pth'})
    for step in steps:
        total = step['act.loss'] + step['concept.loss']
        assert step['loss'] == pytest.approx(total)
    assert 'recall_1' in last
