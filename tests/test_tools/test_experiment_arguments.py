"""What the tools that run many trainings share, and tools/multi_run.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.test_tools.loading import load_tool

shared = load_tool('experiment_arguments')


def parse(tmp_path: Path, *args: str) -> argparse.Namespace:
    (tmp_path / 'toy.py').write_text('', encoding='utf-8')
    parser = shared.ExperimentArgumentParser('', keeps_checkpoints=False)
    parser.add_argument('config')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--way', type=int, nargs='+')
    parser.add_argument('--folds', type=int)
    return parser.parse_args([str(tmp_path / 'toy.py'), *args])


def test_defaults(tmp_path) -> None:
    args = parse(tmp_path)
    assert shared.work_dir(args, 'tool') == Path('work_dirs/toy_tool')
    given = parse(tmp_path, '--work-dir', 'here', '--keep-checkpoints')
    assert shared.work_dir(given, 'tool') == Path('here')
    assert (args.keep_checkpoints, given.keep_checkpoints) == (False, True)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--seeds', '0', '-1'], '--seeds must be >= 0, got -1'),
        (['--way', '5', '0'], '--way must be >= 1, got 0'),
        (['--epochs', '0'], '--epochs must be >= 1, got 0'),
        (['--folds', '0'], '--folds must be >= 1, got 0'),
        (['--seeds', '1', '2', '1'], '--seeds holds a number twice'),
        (['--rule', 'more'], 'invalid choice'),
        (['--cfg-options', 'x'], '--cfg-options takes KEY=VALUE'),
    ],
)
def test_wrong_options_are_refused(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match='2'):
        parse(tmp_path, *options)
    assert message in capsys.readouterr().err


def test_absent_configs_are_refused(tmp_path, capsys) -> None:
    parser = shared.ExperimentArgumentParser('', keeps_checkpoints=True)
    parser.add_argument('config', nargs='+')
    with pytest.raises(SystemExit, match='2'):
        parser.parse_args([str(tmp_path / 'gone.py')])
    assert 'gone.py does not exist' in capsys.readouterr().err
    args = parser.parse_args(['mmdet3d_act::act/act_cls_modelnet40.py'])
    assert shared.work_dir(args, 'x').name == 'act_cls_modelnet40_x'
    assert not hasattr(args, 'keep_checkpoints')


def test_records_are_grouped_in_their_order() -> None:
    runs = [dict(row=row, n=n) for n, row in enumerate('baab')]
    found = shared.groups(runs, lambda run: (run['row'],))
    assert list(found) == [('b',), ('a',)]
    assert [run['n'] for run in found['b',]] == [0, 3]
