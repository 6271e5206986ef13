"""The pretraining configs: how the stages find each other, and runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.registry import MODELS
from tests.config_files import (
    CONFIGS,
    FULL_SIZE,
    LEAVES,
    RUN,
    SMALL,
    leaves_of,
    load,
)
from tests.mini_scannet import write_scannet
from tests.small_data import ROOT, needs_minilm

TEACHERS = {'TimmTeacher', 'OpenCLIPTeacher', 'LanguageTeacher'}
GENERATOR = 'model.objectives.act.target_generator.generator'


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def test_all_of_the_published_ones_are_there() -> None:
    assert {
        'act/act_dvae_shapenet.py',
        'act/act_pretrain_shapenet.py',
        'act/act_dvae_shapenet_tiny.py',
        'act/act_pretrain_shapenet_tiny.py',
        'act/dvae_shapenet.py',
        'point-mae/point-mae_pretrain_shapenet.py',
        'point-mae/point-mae_pretrain_shapenet_tiny.py',
    } <= set(LEAVES)


def run(name: str, options: dict | None = None, folder: str = '') -> Path:
    """Train two steps and validate; return the checkpoint."""
    work_dir = Path('work_dirs') / (folder or Path(name).stem)
    # 8 clouds are for stage I, 4 more for stage II.
    size = {'train_dataloader.batch_size': 6 if 'pretrain' in name else 4}
    cfg = prepare_config(
        str(CONFIGS / name),
        str(work_dir),
        options={**RUN, **size, **(options or {})},
    )
    path = Path(train(cfg))
    state = torch.load(path, weights_only=True)
    assert state['meta']['iter'] == 2
    assert all(v.isfinite().all() for v in state['state_dict'].values())
    (log,) = work_dir.rglob('scalars.json')
    (metrics,) = (
        record
        for record in map(json.loads, log.read_text().splitlines())
        if {'svm_accuracy', 'chamfer_l1'} & set(record)
    )
    assert all(0 <= value < 1e4 for value in metrics.values())
    return path


@pytest.mark.usefixtures('data_root')
@pytest.mark.parametrize('variant', SMALL)
def test_stage_1_then_stage_2(variant: str) -> None:
    """The two commands in a row, each in its default work directory."""
    if variant == 'demo':
        needs_minilm()
    stage1 = f'act/act_dvae_shapenet_{variant}.py'
    stage2 = f'act/act_pretrain_shapenet_{variant}.py'
    options = {}
    if variant == 'demo':
        options = {
            'val_evaluator.knn': 2,
            'val_evaluator.labels_per_class': 3,
        }
    with pytest.raises(UsageError, match=rf'tools/train.py configs/{stage1}'):
        prepare_config(str(CONFIGS / stage2), 'work_dirs/x')
    run(stage1)
    path = run(stage2, options)
    state = torch.load(path, weights_only=True)['state_dict']
    assert bool(state['objectives.act.target_norm.fitted'])
    assert not any('codebook' in name for name in state)
    if variant == 'tiny':
        # The codes of the same autoencoder, with mask tokens at the input.
        options = {
            'model.mask_tokens': 'input',
            'model.objectives.act.neck.mask_tokens': 'input',
        }
        path = run('act/act_pretrain_shapenet_codes-tiny.py', options)
        state = torch.load(path, weights_only=True)['state_dict']
        assert state['objectives.act.head.proj.weight'].shape == (64, 128)
        assert 'mask_token' in state


@pytest.mark.slow
@pytest.mark.usefixtures('data_root')
def test_other_losses_of_stage_2() -> None:
    run('act/act_dvae_shapenet_tiny.py')
    stage2 = 'act/act_pretrain_shapenet_tiny.py'
    for name in ('nt-xent', 'barlow', 'mse', 'smooth-l1'):
        published = load(f'act/act_pretrain_shapenet_{name}.py')
        loss = published.model.objectives.act.head.loss
        run(stage2, {'model.objectives.act.head.loss': loss}, name)


def test_own_folder(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    """Both stages on fewer clouds than a batch, one of them damaged."""
    clouds = data_root / 'mine'
    shutil.copytree(data_root / 'ShapeNet55-34' / 'shapenet_pc', clouds)
    (clouds / 'damaged.npy').write_bytes(b'no array')
    monkeypatch.setenv('ACT_CLOUDS', str(clouds))
    for step in ('dvae', 'pretrain'):
        name = f'act_{step}_folder_tiny'
        cfg = prepare_config(
            str(CONFIGS / 'act' / f'{name}.py'),
            f'work_dirs/{name}',
            options={k: v for k, v in RUN.items() if 'val' not in k},
        )
        state = torch.load(train(cfg), weights_only=True)
        assert state['meta']['iter'] == 1
        assert all(v.isfinite().all() for v in state['state_dict'].values())


@pytest.mark.usefixtures('data_root')
def test_small_point_mae_runs() -> None:
    run('point-mae/point-mae_pretrain_shapenet_tiny.py')


def test_scenes(data_root: Path) -> None:
    """Both stages and Point-MAE on crops of rooms, with and without boxes."""
    write_scannet(data_root, num_scenes=2, num_points=1500)
    size = {'num_points': 600, 'min_points': 900}
    folder = Path('work_dirs/act_dvae_scannet_tiny')
    for name in (
        'act/act_dvae_scannet_tiny.py',
        'act/act_pretrain_scannet_tiny.py',
        'point-mae/point-mae_pretrain_scannet_tiny.py',
    ):
        cfg = prepare_config(
            str(CONFIGS / name),
            f'work_dirs/{Path(name).stem}',
            options=RUN,
        )
        parts = cfg.train_dataloader, cfg.val_dataloader, cfg.custom_hooks
        for step in iter_typed(list(parts)):
            step.update({k: size[k] for k in size if k in step})
        cfg.train_dataloader.dataset.samples_per_scene = 4
        state = torch.load(train(cfg), weights_only=True)
        assert state['meta']['iter'] == 2
        assert all(v.isfinite().all() for v in state['state_dict'].values())
    assert (folder / 'last_checkpoint').is_file()


@pytest.mark.usefixtures('data_root')
def test_plain_autoencoder_runs_when_shrunken() -> None:
    sizes = dict(
        num_groups=8,
        group_size=8,
        embed_dims=32,
        num_codes=16,
        code_dims=32,
        decoder_dims=32,
    )
    options = {f'model.{name}': size for name, size in sizes.items()}
    run('act/dvae_shapenet.py', options)


@pytest.mark.parametrize('variant', ['tiny', 'demo', None])
def test_stage_2_finds_stage_1(
    variant: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default work directory, an environment variable, an option."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    stem = 'act_dvae_shapenet' + (f'_{variant}' if variant else '')
    name = stem.replace('dvae', 'pretrain')
    path = CONFIGS / 'act' / f'{name}.py'
    (absent,) = stage_1_problems(Config.fromfile(path))
    assert f'tools/train.py configs/act/{stem}.py' in absent
    for folder in ('work_dirs/' + stem, 'other', 'third'):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / 'epoch_1.pth').touch()
    (tmp_path / 'work_dirs' / stem / 'last_checkpoint').write_text(
        f'work_dirs/{stem}/epoch_1.pth'
    )
    assert stage_1_problems(Config.fromfile(path)) == []
    monkeypatch.setenv('ACT_AUTOENCODER', 'nowhere')
    (absent,) = stage_1_problems(Config.fromfile(path))
    assert "no checkpoint at 'nowhere'" in absent
    monkeypatch.setenv('ACT_AUTOENCODER', 'other/epoch_1.pth')
    cfg = Config.fromfile(path)
    assert stage_1_problems(cfg) == []
    key = GENERATOR if variant else GENERATOR.removesuffix('.generator')
    cfg.merge_from_dict({f'{key}.checkpoint': 'gone/epoch_1.pth'})
    (absent,) = stage_1_problems(cfg)
    assert "no checkpoint at 'gone/epoch_1.pth'" in absent
    cfg.merge_from_dict({f'{key}.checkpoint': 'third/epoch_1.pth'})
    assert stage_1_problems(cfg) == []


@pytest.mark.parametrize(
    'name', [name for name in LEAVES if 'act_pretrain_' in name]
)
def test_stage_2_describes_the_autoencoder_of_stage_1(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    (target,) = (
        part for part in iter_typed(load(name).model) if 'autoencoder' in part
    )
    stage1 = ROOT / target['stage1_config']
    assert target['checkpoint'] == f'work_dirs/{stage1.stem}'
    assert target['autoencoder'] == Config.fromfile(stage1).model
    variant = re.sub('act_dvae_[a-z]+', '', stage1.stem)
    own = name.replace('_pretrain_', '_dvae_')
    # Others vary something else on the autoencoder of the same size.
    assert stage1 == CONFIGS / own or not (CONFIGS / own).exists()
    assert variant in {'', '_tiny'} or name.endswith(f'{variant}.py')


def stage_1_problems(cfg: Config) -> list[str]:
    (target,) = (
        part
        for part in iter_typed(cfg.model)
        if part['type'] == 'AutoencoderTarget'
    )
    return MODELS.get('AutoencoderTarget').check_requirements(target)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        name
        for name in leaves_of('dvae', 'pretrain')
        # Pairs have images, see test_concept_configs.py.
        if name in FULL_SIZE and not name.startswith('concept/')
    ],
)
def test_full_size_runs_forward_and_backward(name: str) -> None:
    cfg = load(name)
    model = full_size_model(cfg)
    model.init_weights()
    model.train()
    torch.manual_seed(0)
    count = 1024 if 'scannet' not in name else 2500
    points = torch.rand(2, count, 3) * 2 - 1
    losses = model(dict(points=points), None, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    trainable = [p for p in model.parameters() if p.requires_grad]
    reached = [p for p in trainable if p.grad is not None]
    assert len(reached) > 0.9 * len(trainable)
    assert all(p.grad.isfinite().all() for p in reached)


def full_size_model(cfg: Config) -> nn.Module:
    """Return the model with a teacher of random weights."""
    for part in iter_typed(cfg.model):
        if part['type'] in TEACHERS:
            part['pretrained'] = False
    for part in iter_typed(cfg.model):
        if 'autoencoder' in part:
            config = part.pop('autoencoder')
            part['checkpoint'] = None
            part['autoencoder'] = MODELS.build(config)
    model = MODELS.build(cfg.model)
    assert isinstance(model, Distiller) == ('pretrain' in cfg.filename)
    return model
