"""tools/multi_run.py on trainings of milliseconds."""

from __future__ import annotations

from statistics import fmean, stdev

import pytest

from mmdet3d_act.apis import experiments
from tests.test_apis.experimenting import write_experiment
from tests.test_tools.experiments import results, rows, run_tool
from tests.test_tools.loading import load_tool

TOOL = 'multi_run'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    write_experiment(tmp_path, 'other.py')
    return tmp_path


def test_seeds_of_two_configs(folder, monkeypatch, capsys) -> None:
    command = ['toy.py', 'other.py', '--seeds', '0', '1', '2']
    assert run_tool(monkeypatch, TOOL, *command) == 0
    out = 'work_dirs/toy_multi_run'
    found = results(out)
    assert [run['name'] for run in found['runs']] == [
        f'{row}_seed{seed}' for seed in (0, 1, 2) for row in ('toy', 'other')
    ]
    # The same config twice.
    both = found['runs'][0], found['runs'][1]
    assert both[0]['records'] == both[1]['records']
    (entry,) = (
        one
        for one in found['summary']
        if (one['row'], one['metric']) == ('toy', 'accuracy')
    )
    own = [run['records'] for run in found['runs'] if run['row'] == 'toy']
    last = [records[-1]['metrics']['accuracy'] for records in own]
    best = [max(r['metrics']['accuracy'] for r in records) for records in own]
    assert entry['values_last'] == last
    assert entry['last']['mean'] == pytest.approx(fmean(last))
    assert entry['last']['std'] == pytest.approx(stdev(last))
    assert entry['best']['mean'] == pytest.approx(fmean(best))
    table = rows(out)
    assert [row[:3] for row in table] == [
        [row, '0, 1, 2', metric]
        for row in ('toy', 'other')
        for metric in ('accuracy', 'error')
    ]
    assert table[0][3] == f'{fmean(last):.2f} ± {stdev(last):.2f}'
    printed = capsys.readouterr().out
    assert f'| toy | 0, 1, 2 | accuracy | {table[0][3]} |' in printed
    assert 'chosen by accuracy on the data that it is measured on' in printed
    # Checkpoints stay.
    assert (folder / out / 'toy_seed1' / 'epoch_3.pth').is_file()


def test_goes_on_and_sums_up_what_is_there(monkeypatch, capsys) -> None:
    out = ['--work-dir', 'out']
    assert run_tool(monkeypatch, TOOL, 'toy.py', '--table', *out) == 2
    assert 'no finished training in out' in capsys.readouterr().err
    assert run_tool(monkeypatch, TOOL, 'toy.py', '--seeds', '1', *out) == 0
    assert rows('out')[0][1] == '1'
    assert '±' not in rows('out')[0][3]
    assert (
        run_tool(monkeypatch, TOOL, 'toy.py', '--seeds', '1', '2', *out) == 0
    )
    assert '[1/2] toy_seed1: is there already' in capsys.readouterr().out
    before = results('out')

    def no_training(*args: object, **kwargs: object) -> None:
        raise AssertionError('nothing is to be trained')

    monkeypatch.setattr(experiments, 'run_trial', no_training)
    command = ['toy.py', '--seeds', '0', '1', '2', '--table']
    assert run_tool(monkeypatch, TOOL, *command, *out) == 0
    assert results('out') == before


def test_rows_that_start_from_checkpoints(monkeypatch) -> None:
    command = ['toy.py', '--seeds', '0', '--checkpoint']
    starts = ['mine=backbone.pth', 'scratch', '--work-dir', 'out']
    assert run_tool(monkeypatch, TOOL, *command, *starts) == 0
    runs = results('out')['runs']
    assert [(run['row'], run['start']) for run in runs] == [
        ('toy_mine', 'backbone.pth'),
        ('toy_scratch', 'scratch'),
    ]
    assert runs[0]['records'] != runs[1]['records']


def test_metrics_and_what_is_better(folder, monkeypatch, capsys) -> None:
    command = ['toy.py', '--seeds', '0', '--work-dir', 'out']
    own = ['--metric', 'error', 'accuracy']
    assert run_tool(monkeypatch, TOOL, *command, *own) == 0
    assert [row[2] for row in rows('out')] == ['error', 'accuracy']
    assert run_tool(monkeypatch, TOOL, *command, '--metric', 'miou') == 2
    message = capsys.readouterr().err
    assert "--metric: no metric 'miou'" in message
    assert 'accuracy, error' in message
    table = ['--metric', 'miou', '--table']
    assert run_tool(monkeypatch, TOOL, *command, *table) == 2
    assert "no metric 'miou' in the validation" in capsys.readouterr().err
    # What the config saves the best of comes first.
    best = "\ndefault_hooks['checkpoint']['save_best'] = 'error'\n"
    best += "default_hooks['checkpoint']['rule'] = 'less'\n"
    write_experiment(folder, extra=best)
    assert run_tool(monkeypatch, TOOL, *command) == 0
    assert [row[2] for row in rows('out')] == ['error', 'accuracy']


def test_a_wrong_metric_is_found_early(folder, monkeypatch, capsys) -> None:
    """Before the first training, or after it where nobody can know."""
    command = ['toy.py', '--work-dir', 'out', '--metric', 'mIoU']
    assert run_tool(monkeypatch, TOOL, *command) == 2
    message = capsys.readouterr().err
    assert "no metric 'mIoU' in the validation of toy_seed0, it" in message
    assert 'The training is kept' in message
    assert [path.name for path in folder.glob('out/*/record.json')] == [
        'record.json'
    ]
    # What is there is looked at before the next.
    assert run_tool(monkeypatch, TOOL, *command) == 2
    assert 'training' not in capsys.readouterr().out
    known = '\nval_evaluator = dict(type="KnownAccuracy")\n'
    write_experiment(folder, extra=known)
    command[2] = 'other'
    assert run_tool(monkeypatch, TOOL, *command) == 2
    message = capsys.readouterr().err
    assert "'mIoU' in the validation of toy.py, which gives: acc" in message
    assert not (folder / 'other').exists()
    command[-1:] = ['error', '--seeds', '0']
    assert run_tool(monkeypatch, TOOL, *command) == 0


def test_faults_are_explained(monkeypatch, capsys) -> None:
    command = ['toy.py', '--seeds', '0', '--work-dir', 'out']
    options = ['--cfg-options', 'val_dataloader=None']
    assert run_tool(monkeypatch, TOOL, *command, *options) == 2
    assert 'toy.py has no val_dataloader' in capsys.readouterr().err
    assert run_tool(monkeypatch, TOOL, *command) == 0
    options = ['--cfg-options', 'train_cfg.max_epochs=4']
    assert run_tool(monkeypatch, TOOL, *command, *options) == 2
    assert 'max_epochs: 3 then, 4 now' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        load_tool(TOOL).parse_args(['toy.py', './toy.py'])
    assert 'configs of one name: toy, toy' in capsys.readouterr().err
