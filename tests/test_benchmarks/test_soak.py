"""Settings that cannot be meant are refused by name; a part of `make soak`."""

from __future__ import annotations

import importlib
import os
import random
import sys
from pathlib import Path

import pytest
import torch

from mmdet3d_act.engine.launch import load_config
from mmdet3d_act.engine.preflight import _wrong_names, _wrong_numbers
from mmdet3d_act.models.heads import ClassificationHead
from mmdet3d_act.models.layers.prompts import Prompts
from tests.config_files import CONFIGS
from tests.small_data import ROOT, write_probe, write_shapenet, write_teacher

sys.path.insert(0, str(ROOT / 'benchmarks'))
soak = importlib.import_module('soak')
sys.path.remove(str(ROOT / 'benchmarks'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny data of stage I, where no training is to come far."""
    folder = tmp_path_factory.mktemp('soak')
    write_shapenet(folder, 4, 2)
    write_probe(folder, 'real_shapes', 2, 1)
    write_teacher(folder)
    (folder / 'a_file').write_text('no folder')
    return folder


ROWS = [
    ('train_dataloader.batch_size', 0),
    ('train_dataloader.batch_size', 2.5),
    ('train_dataloader.num_workers', -1),
    ('train_dataloader.num_workers', 1.5),
    ('train_dataloader.dataset.type', 'ShapeNet56'),
    ('train_cfg.max_epochs', 0),
    ('train_cfg.max_epochs', -5),
    ('train_cfg.val_interval', 0),
    ('optim_wrapper.optimizer.type', 'AdamX'),
    ('optim_wrapper.optimizer.lr', 'abc'),
    ('optim_wrapper.accumulative_counts', 1.5),
    ('optim_wrapper.clip_grad.max_norm', 'x'),
    ('param_scheduler.1.T_max', 0),
    ('param_scheduler.1.begin', -1),
    ('randomness.seed', 2**32),
    ('randomness.seed', 'x'),
    ('default_hooks.chekpoint', dict(type='AtomicCheckpointHook')),
    ('env_cfg.cudnn_benchmrk', True),
    ('custom_hooks.0.type', 'IterationSeedHok'),
    ('custom_hooks.2.schedule.fraction', 0),
    ('custom_hooks.2.schedule.start', 'x'),
    ('work_dir', 'a_file'),
    ('model.num_codes', 0),
    ('model.code_dims', 0),
    ('model.decoder_dims', 64.5),
    ('model.embed_dims', -1),
    ('model.logit_scale', 0),
    ('model.logit_scale', 'x'),
    ('model.dgcnn_channels', ()),
    ('model.folding_channels', (0, 1)),
    ('model.teacher.num_prompts', 100000),
    ('model.teacher.type', 'TimTeacher'),
]


@pytest.mark.parametrize(('path', 'value'), ROWS)
def test_bad_settings_are_refused_by_name(
    path: str,
    value: object,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    mmdet3d_scope: None,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv('ACT_DATA_ROOT', str(folder))
    assert soak.outcome('stage I', path, value) == 'named'


@pytest.mark.parametrize('name', sorted(CONFIGS.rglob('*_tiny.py')))
def test_settings_of_the_configs_are_not_refused(name: Path) -> None:
    cfg = load_config(str(name))
    assert [*_wrong_numbers(cfg), *_wrong_names(cfg)] == []


def test_there_are_enough_rows() -> None:
    rows = [
        row for family in soak.FAMILIES for row in soak.bad_settings(family)
    ]
    assert len(rows) >= 250


def test_widths_and_numbers_of_parts() -> None:
    with pytest.raises(ValueError, match=r'in_channels .* 8, got 4'):
        ClassificationHead(4, 2)(torch.zeros(2, 8))
    with pytest.raises(ValueError, match='num_prompts'):
        Prompts(5000, 4, 1, mode='deep')


def test_mutants_differ_and_can_be_made_again() -> None:
    data = os.urandom(100)
    made = [soak.mutate(data, random.Random(seed)) for seed in range(50)]
    again = [soak.mutate(data, random.Random(seed)) for seed in range(50)]
    assert made == again
    assert sum(one != data for one in made) > 40
