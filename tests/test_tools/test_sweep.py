"""tools/sweep.py on trainings of milliseconds."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev

import pytest
from PIL import Image

from tests.test_apis.experimenting import write_experiment
from tests.test_tools.experiments import results, rows, run_tool
from tests.test_tools.loading import load_tool

TOOL = 'sweep'
OUT = ['--work-dir', 'out']
HEAD = "\nmodel['head'] = dict(type='Linear', num_classes=4)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    write_experiment(tmp_path, 'other.py')
    return tmp_path


def runs_of(*arguments: str) -> list:
    tool = load_tool(TOOL)
    return tool.make_runs(tool.parse_args([*arguments]))


def test_seeds_of_two_configs(folder, monkeypatch, capsys):
    command = ['toy.py', 'other.py', '--seeds', '0', '1']
    assert run_tool(monkeypatch, TOOL, *command) == 0
    out = 'work_dirs/toy_sweep'
    found = results(out)
    assert [run['name'] for run in found['runs']] == [
        f'{row}/seed{seed}' for seed in (0, 1) for row in ('toy', 'other')
    ]
    # The same config twice.
    both = found['runs'][0], found['runs'][1]
    assert both[0]['validations'] == both[1]['validations']
    entry = found['summary'][0]
    assert (entry['row'], entry['metric']) == ('toy', 'accuracy')
    own = [run['validations'] for run in found['runs'] if run['row'] == 'toy']
    last = [one[-1]['metrics']['accuracy'] for one in own]
    best = [max(v['metrics']['accuracy'] for v in one) for one in own]
    assert entry['values_last'] == last
    assert entry['best']['mean'] == pytest.approx(fmean(best))
    table = rows(out)
    assert [row[:3] for row in table] == [
        [row, '2', metric]
        for row in ('toy', 'other')
        for metric in ('accuracy', 'error')
    ]
    assert table[0][3] == f'{fmean(last):.2f} ± {stdev(last):.2f}'
    printed = capsys.readouterr().out
    assert f'| toy | 2 | accuracy | {table[0][3]} |' in printed
    assert (folder / out / 'toy/seed1/epoch_3.pth').is_file()


def test_table_of_what_is_finished(monkeypatch, capsys):
    assert run_tool(monkeypatch, TOOL, 'toy.py', '--table', *OUT) == 2
    assert 'no finished run in out' in capsys.readouterr().err
    assert run_tool(monkeypatch, TOOL, 'toy.py', '--seeds', '1', *OUT) == 0
    before = results('out')['runs']
    assert '±' not in rows('out')[0][3]
    assert run_tool(monkeypatch, TOOL, 'toy.py', '--table', *OUT) == 0
    assert results('out')['runs'] == before
    assert not Path('out/toy/seed0').exists()


def test_folds_of_every_setting(folder, monkeypatch):
    settings = [(way, shot) for way in (2, 3) for shot in (4, 8)]
    command = ['toy.py', '--start', 'a=backbone.pth', 'scratch', '--folds']
    command += ['2', '--way', '2', '3', '--shot', '4', '8', *OUT]
    assert run_tool(monkeypatch, TOOL, *command) == 0
    runs = [run for run in results('out')['runs'] if run['row'] == 'a']
    assert [(run['way'], run['shot'], run['fold']) for run in runs] == [
        (*setting, fold) for setting in settings for fold in (0, 1)
    ]
    assert [run['num_train'] for run in runs[::2]] == [8, 16, 12, 24]
    # Folds have data of their own.
    assert runs[0]['validations'] != runs[1]['validations']
    entry = results('out')['summary'][0]
    last = [one['validations'][-1]['metrics']['accuracy'] for one in runs[:2]]
    assert entry['values_last'] == last
    assert rows('out')[0][:4] == ['a', '2-way 4-shot', '2', 'accuracy']
    # Forty checkpoints would fill a disk.
    assert not list(folder.glob('out/**/*.pth'))
    assert (folder / 'out/a/3way_8shot/fold1_seed0/record.json').is_file()


def test_curve_over_shares_of_the_labels(folder, monkeypatch):
    command = ['toy.py', '--start', 'act=backbone.pth', 'scratch', *OUT]
    command += ['--percent', '100', '25', '--seeds', '0', '1']
    assert run_tool(monkeypatch, TOOL, *command) == 0
    runs = results('out')['runs']
    # Few labels first: the runs are short.
    assert [(r['percent'], r['seed'], r['row']) for r in runs] == [
        (percent, seed, row)
        for percent in (25, 100)
        for seed in (0, 1)
        for row in ('act', 'scratch')
    ]
    assert [r['num_train'] for r in runs] == 4 * [4] + 4 * [16]
    assert runs[0]['validations'] != runs[1]['validations']
    assert rows('out')[0][:4] == ['act', '25 %', '4', '2']
    picture = folder / 'out' / 'label_curve.png'
    assert Image.open(picture).size == (640, 440)
    last = picture.read_bytes()
    more = [*command, '--table', '--draw', 'best']
    assert run_tool(monkeypatch, TOOL, *more) == 0
    assert picture.read_bytes() != last


def test_the_head_of_the_config_can_be_kept(folder, monkeypatch, capsys):
    write_experiment(folder, extra=HEAD)
    command = ['toy.py', '--keep-head', '--way']
    assert runs_of(*command, '3')[0].overrides == {
        'val_evaluator.allow_foreign': True
    }
    assert run_tool(monkeypatch, TOOL, *command, '9', *OUT) == 2
    assert 'num_classes=40' in capsys.readouterr().err


def test_metrics_and_what_is_better(folder, monkeypatch, capsys):
    command = ['toy.py', '--seeds', '0', *OUT]
    own = ['--metric', 'error', 'accuracy']
    assert run_tool(monkeypatch, TOOL, *command, *own) == 0
    assert [row[2] for row in rows('out')] == ['error', 'accuracy']
    assert run_tool(monkeypatch, TOOL, *command, '--metric', 'miou') == 2
    message = capsys.readouterr().err
    assert "'miou'" in message
    assert 'accuracy, error' in message
    # What the config saves the best of comes first.
    best = "\ndefault_hooks['checkpoint']['save_best'] = 'error'\n"
    best += "default_hooks['checkpoint']['rule'] = 'less'\n"
    write_experiment(folder, extra=best)
    assert run_tool(monkeypatch, TOOL, *command) == 0
    assert [row[2] for row in rows('out')] == ['error', 'accuracy']


def test_rows_and_their_names():
    tool = load_tool(TOOL)
    starts = ['--start', 'act=a=b/epoch_60.pth', 'work_dirs/mae', 'd/b/x.pth']
    args = tool.parse_args(['toy.py', *starts, 'scratch'])
    assert tool.named_rows(args) == [
        ('act', 'toy.py', 'a=b/epoch_60.pth'),
        ('mae', 'toy.py', 'work_dirs/mae'),
        ('b', 'toy.py', 'd/b/x.pth'),
        ('scratch', 'toy.py', 'scratch'),
    ]
    args = tool.parse_args(['toy.py', 'other.py', '--start', 'scratch'])
    names = [name for name, _, _ in tool.named_rows(args)]
    assert names == ['toy_scratch', 'other_scratch']
