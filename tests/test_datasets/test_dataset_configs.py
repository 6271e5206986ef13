"""The data configs: their settings, their roots, and a run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import transforms as mmcv_transforms
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet3d_act.datasets.base import iter_dataset_cfgs
from mmdet3d_act.registry import DATASETS, TRANSFORMS

FOLDER = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
OWN_FOLDER = 'point_folder_cls'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
WITHOUT_PROBE = (
    'val_dataloader=None',
    'val_cfg=None',
    'val_evaluator=None',
)


def _config(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def _data_sets(config: Config) -> list[dict]:
    loaders = [v for k, v in config.items() if k.endswith('_dataloader')]
    return [
        part
        for loader in loaders
        for part in iter_dataset_cfgs(loader['dataset'])
    ]


@pytest.mark.parametrize('name', [x for x in NAMES if x != OWN_FOLDER])
@pytest.mark.parametrize(
    ('value', 'root'),
    [(None, 'data/'), ('some/where', 'some/where/'), ('there/', 'there/')],
)
def test_root_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, root: str
) -> None:
    monkeypatch.delenv('ACT_DATA_ROOT', raising=False)
    if value is not None:
        monkeypatch.setenv('ACT_DATA_ROOT', value)
    for cfg in _data_sets(_config(name)):
        assert cfg['data_root'].replace('//', '/').startswith(root)
        (problem,) = DATASETS.get(cfg['type']).check_requirements(cfg)
        assert f' at {root}' in problem


def test_an_own_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ACT_CLOUDS', 'my/clouds')
    for cfg in _data_sets(_config(OWN_FOLDER)):
        (problem,) = DATASETS.get(cfg['type']).check_requirements(cfg)
        assert 'my/clouds' in problem


@pytest.mark.parametrize('name', NAMES)
def test_transforms_build(name: str) -> None:
    for cfg in _data_sets(_config(name)):
        steps = [*cfg.get('static_pipeline', ()), *cfg['pipeline']]
        with DefaultScope.overwrite_default_scope('mmdet3d'):
            built = [TRANSFORMS.build(step) for step in steps]
        views = isinstance(built[-1], mmcv_transforms.TestTimeAug)
        last = built[-1].subroutines[0].transforms if views else built
        assert type(last[-1]).__name__ == 'PackPointInputs'


def _write_modelnet(root: Path) -> None:
    rng = np.random.default_rng(0)
    folder = root / 'ModelNet' / 'modelnet40_normal_resampled'
    for split, count in (('train', 3), ('test', 2)):
        names = [f'chair_{split}{i}' for i in range(count)]
        for name in names:
            path = folder / 'chair' / f'{name}.txt'
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savetxt(path, rng.normal(size=(1030, 6)), delimiter=',')
        (folder / f'modelnet40_{split}.txt').write_text('\n'.join(names))


def test_probe_gives_both_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_modelnet(tmp_path)
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    loader = _config('modelnet40_probe').val_dataloader
    loader.num_workers, loader.persistent_workers = 0, False
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        (batch,) = Runner.build_dataloader(loader, seed=0)
    splits = [sample.split for sample in batch['data_samples']]
    assert splits == ['train'] * 3 + ['test'] * 2
    assert {s.gt_label.item() for s in batch['data_samples']} == {8}
    points = torch.stack(batch['inputs']['points'])
    assert points.shape == (5, 1024, 3)
    assert 0.9 < points.norm(dim=-1).max() <= 1 + 1e-6
