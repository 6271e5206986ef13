"""A few steps of the small pretraining configs, from data to checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.engine.preflight import iter_typed
from tests.config_files import CONFIGS, RUN
from tests.mini_scannet import write_scannet
from tests.official_data import write_renders
from tests.rgbd_files import write_frames
from tests.small_data import needs_minilm

FRAMES = 'concept/concept_pretrain_scannet_'


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def run(name: str, batch_size: int, **options: object) -> list[dict]:
    """Train an epoch of two steps and validate; return the log's lines."""
    batch = {'train_dataloader.batch_size': batch_size}
    folder = Path('work_dirs') / Path(name).stem
    cfg = prepare_config(
        str(CONFIGS / name), str(folder), options={**RUN, **batch, **options}
    )
    state = torch.load(train(cfg), weights_only=True)
    assert state['meta']['iter'] == 2
    assert all(v.isfinite().all() for v in state['state_dict'].values())
    (log,) = folder.rglob('scalars.json')
    return [json.loads(line) for line in log.read_text().splitlines()]


def weights(name: str) -> dict[str, torch.Tensor]:
    """Return what :func:`run` has saved."""
    (path,) = (Path('work_dirs') / Path(name).stem).glob('epoch_*.pth')
    return torch.load(path, weights_only=True)['state_dict']


@pytest.mark.usefixtures('data_root')
@pytest.mark.parametrize('variant', ['tiny', 'demo'])
def test_stage_1_then_stage_2(variant: str) -> None:
    """The two commands in a row, each in its default work directory."""
    options = {}
    if variant == 'demo':
        needs_minilm()
        options = {
            'val_evaluator.knn': 2,
            'val_evaluator.labels_per_class': 3,
        }
    stage1 = f'act/act_dvae_shapenet_{variant}.py'
    stage2 = f'act/act_pretrain_shapenet_{variant}.py'
    with pytest.raises(UsageError, match=rf'tools/train.py configs/{stage1}'):
        prepare_config(str(CONFIGS / stage2), 'work_dirs/x')
    assert 0 < run(stage1, 4)[-1]['chamfer_l1'] < 1e4
    assert 0 <= run(stage2, 6, **options)[-1]['svm_accuracy'] <= 100
    state = weights(stage2)
    assert bool(state['objectives.act.target_norm.fitted'])
    assert not any('codebook' in name for name in state)


def test_own_folder(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_scenes(data_root: Path) -> None:
    """Both stages and Point-MAE on crops of rooms."""
    write_scannet(data_root, num_scenes=2, num_points=1500)
    size = {'num_points': 600, 'min_points': 900}
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


@pytest.mark.parametrize(
    ('name', 'losses', 'validated'),
    [
        (f'{FRAMES}no-concepts-tiny.py', ['concept'], 'recall_1'),
        (f'{FRAMES}both-tiny.py', ['concept', 'reconstruction'], 'recall_1'),
        (f'{FRAMES}local-alignment-tiny.py', ['local'], 'local.loss'),
        (
            'point-mae/point-mae_pretrain_scannet-frames_tiny.py',
            ['point_mae'],
            'point_mae.loss',
        ),
    ],
)
def test_frames(
    name: str, losses: list[str], validated: str, data_root: Path
) -> None:
    write_frames(data_root)
    *steps, last = run(name, 4)
    for step in steps:
        found = [key for key in step if key.endswith('.loss')]
        assert found == [f'{objective}.loss' for objective in losses]
        assert step['loss'] == pytest.approx(sum(step[key] for key in found))
    assert validated in last


def test_objects(data_root: Path) -> None:
    write_renders(data_root)
    *steps, last = run('concept/concept_pretrain_shapenet_tiny.py', 3)
    assert (last['chance_1'], last['recall_5']) == (50.0, 100.0)
    assert all('concept.constant_baseline' in step for step in steps)
