"""collect_problems: what it finds, where, and how it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet3d_act.engine import preflight
from mmdet3d_act.engine.launch import misspelt_option
from mmdet3d_act.engine.preflight import collect_problems
from mmdet3d_act.registry import MODELS


class NeedsFile:
    """A class with requirements."""

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        path = cfg.get('path')
        if path is None or Path(path).exists():
            return []
        return [f'{path} is missing; run: touch {path}']


@pytest.fixture(autouse=True)
def _registered():
    MODELS.register_module(name='PreflightNeedsFile', module=NeedsFile)
    yield
    MODELS.module_dict.pop('PreflightNeedsFile')


def needs(path: str, **kwargs) -> dict:
    return dict(type='PreflightNeedsFile', path=path, **kwargs)


def test_finds_all_at_any_depth_once_and_in_order():
    cfg = Config(
        dict(
            model=dict(
                type='NobodyKnows',
                parts=[needs('absent/1'), (needs('absent/2'),)],
                inner=dict(type=NeedsFile, path='absent/1'),
                teacher=dict(
                    type='mmdet3d.PreflightNeedsFile', path='absent/3'
                ),
            ),
            custom_hooks=[dict(type='IterationSeedHook')],
            number=3,
        )
    )
    assert collect_problems(cfg) == [
        f'absent/{i} is missing; run: touch absent/{i}' for i in (1, 2, 3)
    ]
    assert collect_problems(cfg, ['number', 'custom_hooks']) == []


def test_same_problem_at_greater_length_is_left_out():
    class Longer(NeedsFile):
        @classmethod
        def check_requirements(cls, cfg: dict) -> list[str]:
            return [
                f'{text}. Or do without it.'
                for text in super().check_requirements(cfg)
            ]

    val = dict(type=Longer, path='absent/1')
    cfg = dict(train=needs('absent/1'), val=val)
    assert len(collect_problems(cfg)) == 1
    assert collect_problems(dict(val=val))[0].endswith('do without it.')


@pytest.mark.parametrize('number', [-1, 100_000, 2.5, '8'])
def test_impossible_numbers_of_prompts_are_named(number):
    cfg = dict(model=dict(type='LanguageTeacher', num_prompts=number))
    problems = collect_problems(cfg, ['model'])
    assert (
        f'num_prompts must be whole, from 0 to 4096, got {number!r}'
        in (problems[0])
    )
    cfg['model']['num_prompts'] = 0
    assert 'num_prompts' not in str(collect_problems(cfg, ['model']))


def test_a_misspelt_setting_is_named():
    model = dict(type='Distiller', student=dict(type='PointTransformer'))
    cfg = Config(dict(train_cfg=dict(), dvae_root='a', model=model))
    known = ['train_cfg.max_epochs', 'tta_cfg', 'dvae_root', 'custom_hooks']
    known += ['model.student.num_layers', 'model.student.init_cfg.prefix']
    assert misspelt_option([*known, 'my_own_variable'], cfg) is None
    for option, meant in (
        ('optim_wraper.clip_grad', 'optim_wrapper'),
        ('model.student.num_layer', 'num_layers'),
        ('model.studnet.num_layers', 'student'),
    ):
        problem = misspelt_option([*known, option], cfg)
        assert f'{option!r}; did you mean {meant!r}?' in problem


def test_checkpoints_of_a_pretraining(tmp_path):
    init = dict(
        type='Pretrained',
        checkpoint=str(tmp_path / 'run'),
        pretrain_config='configs/act/a.py',
    )
    cfg = dict(model=dict(type='Anything', backbone=dict(type='B')))
    cfg['model']['backbone']['init_cfg'] = [dict(type='Normal'), init]
    (problem,) = collect_problems(cfg)
    assert 'the pretrained weights of B are missing' in problem
    assert '`python tools/train.py configs/act/a.py`' in problem
    assert 'act-mini' not in problem
    sizes = dict(embed_dims=128, num_layers=4, num_heads=4)
    cfg['model']['backbone'].update(sizes)
    assert 'ACT_PRETRAINED=act-mini' in collect_problems(cfg)[0]
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'epoch_1.pth').touch()
    assert len(collect_problems(cfg)) == 1
    # A work directory means its last checkpoint.
    (tmp_path / 'run' / 'last_checkpoint').write_text('epoch_1.pth')
    assert collect_problems(cfg) == []
    cfg['load_from'] = 'https://example.org/a.pth'
    assert collect_problems(cfg) == []
    cfg['load_from'] = 'absent/start.pth'
    (problem,) = collect_problems(cfg)
    assert 'absent/start.pth' in problem


@pytest.mark.parametrize(
    ('kind', 'needed'), [('PointClassifier', False), ('Anything', True)]
)
def test_a_whole_file_makes_those_of_the_parts_needless(
    kind, needed, tmp_path
):
    (tmp_path / 'whole.pth').touch()
    absent = dict(type='Pretrained', checkpoint='absent/student.pth')
    whole = dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth'))
    model = dict(
        type=kind,
        backbone=dict(type='B', init_cfg=absent),
        init_cfg=whole,
    )
    assert bool(collect_problems(Config(dict(model=model)))) == needed
    # Only below that model, and only where it exists.
    model['init_cfg'] = dict(type='Pretrained', checkpoint='absent/whole.pth')
    cfg = dict(model=model, other=dict(type='B', init_cfg=absent))
    problems = collect_problems(Config(cfg))
    assert 'absent/whole.pth' in problems[0]
    assert 'absent/student.pth' in problems[-1]
    assert len(problems) == 2


def test_splits_of_one_data_set_are_told_once():
    ends = (
        'x/train. Expected layout: L. Do.',
        'x/test. Expected layout: L. Do.',
    )
    found = [f'{name} needs {end}' for name in 'AB' for end in ends]
    assert preflight._without_repeats(found) == [found[0], found[2]]


def test_names_that_nothing_reads_are_told():
    loader = dict(batch_size=4, dataset=dict(), batchsize=4)
    loop = dict(by_epoch=True, max_epoch=3, val_begin=1)
    cfg = Config(dict(train_cfg=loop, train_dataloader=loader))
    assert collect_problems(cfg) == [
        "train_cfg has 'max_epoch'; did you mean 'max_epochs'?",
        "train_dataloader has 'batchsize'; did you mean 'batch_size'?",
    ]
    # A loop of one's own has its own names; lists are not looked into.
    own = dict(train_cfg=dict(type='MyLoop', max_epoch=3))
    own['train_dataloader'] = [dict(batchsize=4)]
    assert collect_problems(Config(own)) == []
