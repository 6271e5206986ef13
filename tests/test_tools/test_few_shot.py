"""tools/few_shot.py on trainings of milliseconds."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev

import pytest

from mmdet3d_act.apis import loading
from mmdet3d_act.engine.launch import UsageError
from tests.test_apis.experimenting import write_experiment
from tests.test_tools.experiments import results, rows, run_tool
from tests.test_tools.loading import load_tool

TOOL = 'few_shot'
OUT = ['--work-dir', 'out']
SMALL = ['--way', '2', '3', '--shot', '4', '8', '--folds', '2', *OUT]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    return tmp_path


def test_all_settings(folder, monkeypatch, capsys) -> None:
    assert run_tool(monkeypatch, TOOL, 'toy.py', 'a=backbone.pth', *SMALL) == 0
    runs = results('out')['runs']
    settings = [(way, shot) for way in (2, 3) for shot in (4, 8)]
    assert [(r['way'], r['shot'], r['fold']) for r in runs] == [
        (*setting, fold) for setting in settings for fold in (0, 1)
    ]
    assert [r['num_train'] for r in runs[::2]] == [8, 16, 12, 24]
    # Folds have data of their own.
    assert runs[0]['records'] != runs[1]['records']
    summary = results('out')['summary']
    for setting, entry in zip(settings, summary[::2], strict=True):
        own = [r for r in runs if (r['way'], r['shot']) == setting]
        last = [r['records'][-1]['metrics']['accuracy'] for r in own]
        assert (entry['way'], entry['shot']) == setting
        assert entry['metric'] == 'accuracy'
        assert entry['folds'] == [0, 1]
        assert entry['last']['mean'] == pytest.approx(fmean(last))
        assert entry['last']['std'] == pytest.approx(stdev(last))
    assert rows('out')[0][:4] == ['a', '2-way 4-shot', '2', 'accuracy']
    assert '| a | 3-way 8-shot | 2 | accuracy |' in capsys.readouterr().out
    # Forty checkpoints would fill a disk.
    assert not list(folder.glob('out/**/*.pth'))
    assert (folder / 'out/a/3way_8shot/fold1/record.json').is_file()


def test_goes_on_with_more_folds_and_starts(monkeypatch, capsys) -> None:
    setting = ['--way', '2', '--shot', '4', *OUT, '--folds']
    first = ['toy.py', 'scratch', *setting, '1']
    assert run_tool(monkeypatch, TOOL, *first) == 0
    record = results('out')['runs'][0]
    capsys.readouterr()
    more = ['toy.py', 'scratch', 'a=backbone.pth', *setting, '2']
    assert run_tool(monkeypatch, TOOL, *more) == 0
    printed = capsys.readouterr().out
    assert '[1/4] scratch/2way_4shot/fold0: is there already' in printed
    runs = results('out')['runs']
    assert runs[0] == record
    assert [run['row'] for run in runs] == ['scratch', 'scratch', 'a', 'a']
    assert [row[0] for row in rows('out')[::2]] == ['scratch', 'a']


def test_published_settings_are_the_default() -> None:
    args = load_tool(TOOL).parse_args(['toy.py', 'scratch'])
    trials = load_tool(TOOL).make_trials(args)
    assert len(trials) == 40
    assert trials[0].name == 'scratch/5way_10shot/fold0'
    assert trials[-1].data == dict(way=10, shot=20, fold=9)


def test_folds_that_are_drawn_have_a_seed() -> None:
    tool = load_tool(TOOL)
    args = tool.parse_args(['toy.py', 'scratch', '--fold-seed', '3'])
    assert tool.make_trials(args)[0].data['seed'] == 3


def test_head_has_as_many_classes_as_a_fold(folder) -> None:
    head = "\nmodel['head'] = dict(type='Linear', num_classes=2)\n"
    write_experiment(folder, extra=head)
    tool = load_tool(TOOL)
    options = ['--cfg-options', 'train_cfg.max_epochs=1']
    args = tool.parse_args(['toy.py', 'scratch', *options])
    trials = tool.make_trials(args)
    assert [trial.options for trial in trials[::10]] == [
        {'train_cfg.max_epochs': 1, 'model.head.num_classes': way}
        for way in (5, 5, 10, 10)
    ]


def test_the_head_of_the_config_can_be_kept(folder, monkeypatch, capsys):
    head = "\nmodel['head'] = dict(type='Linear', num_classes=5)\n"
    metric = "val_evaluator = dict(type='ClassificationMetric')\n"
    write_experiment(folder, extra=head + metric)
    tool = load_tool(TOOL)
    size = 'model.head.num_classes'
    larger = ['--cfg-options', f'{size}=40']
    command = ['toy.py', 'scratch', '--keep-head']
    trials = tool.make_trials(tool.parse_args([*command, *larger]))
    assert {trial.data['way'] for trial in trials} == {5, 10}
    wanted = {size: 40, 'val_evaluator.allow_foreign': True}
    assert all(trial.options == wanted for trial in trials)
    # A metric of another kind has no such option.
    write_experiment(folder, extra=head)
    (trial, *_) = tool.make_trials(tool.parse_args([*command, *larger]))
    assert trial.options == {size: 40}
    assert run_tool(monkeypatch, TOOL, *command, *OUT) == 2
    error = capsys.readouterr().err
    assert 'has 5 classes, fewer than --way 10' in error
    assert '--cfg-options model.head.num_classes=40' in error


def test_faults_are_explained(folder, monkeypatch, capsys) -> None:
    command = ['toy.py', 'scratch', *OUT]
    assert run_tool(monkeypatch, TOOL, *command, '--way', '9') == 2
    assert 'way must be <= 4, got 9' in capsys.readouterr().err
    assert run_tool(monkeypatch, TOOL, *command, '--fold-seed', '1') == 2
    error = capsys.readouterr().err
    assert 'has way, shot, fold, seed; give' in error
    assert 'configs/act/act_fewshot_modelnet40_drawn.py' in error
    assert run_tool(monkeypatch, TOOL, 'toy.py', 'gone/x.pth', *OUT) == 2
    assert 'no checkpoint at gone/x.pth' in capsys.readouterr().err
    assert not Path('out').exists()


def test_no_training_begins_before_every_setting_can_be_drawn(
    folder, monkeypatch, capsys
) -> None:
    built = []

    def build(cfg, config, part):
        built.append((cfg.train_dataloader.dataset.way, part))
        if built[-1] == (3, 'val'):
            raise UsageError('3 of 16 classes have as many')

    monkeypatch.setattr(loading, 'build_dataset', build)
    assert run_tool(monkeypatch, TOOL, 'toy.py', 'scratch', *SMALL) == 2
    assert '3 of 16' in capsys.readouterr().err
    pairs = [(2, 'train'), (2, 'val')]
    assert built == [*pairs, *pairs, (3, 'train'), (3, 'val')]
    assert not list(folder.glob('out/**/record.json'))
