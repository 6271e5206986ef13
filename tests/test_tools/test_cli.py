"""The command mmdet3d-act."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmdet3d_act_cli as cli
from mmdet3d_act.apis import save_pretrained, scan_files
from mmdet3d_act.students import student_names
from tests.test_apis.test_students import make_student

ROOT = Path(__file__).parents[2]
COMMANDS = (
    'doctor',
    'demo',
    'pretrain',
    'report',
    'students',
    'teachers',
    'embed',
    'search',
    'predict',
    'export',
)


def test_help_needs_nothing_heavy_and_has_examples() -> None:
    code = (
        'import sys\n'
        f'sys.path.insert(0, {str(ROOT)!r})\n'
        'from mmdet3d_act_cli import main\n'
        f'for name in {("", *COMMANDS)!r}:\n'
        '    try:\n'
        "        main([*name.split(), '--help'])\n"
        '    except SystemExit as end:\n'
        '        assert end.code == 0\n'
        "assert not {'torch', 'numpy', 'mmdet3d_act'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f'example:\n  mmdet3d-act {name}' in done.stdout


def test_what_is_imported_for_good_is_no_garbage() -> None:
    code = (
        'import gc, mmdet3d_act_cli as cli\n'
        "cli.import_for_good('decimal')\n"
        'assert gc.isenabled()\n'
        'frozen = gc.get_freeze_count()\n'
        'assert frozen > 1000\n'
        "cli.import_for_good('decimal')\n"
        'assert gc.get_freeze_count() <= frozen\n'
    )
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


def test_what_is_not_there_is_told_at_once(tmp_path) -> None:
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / 'a.jpg').touch()
    (tmp_path / 'a.ply').touch()
    calls = {
        'embed gone.ply --out b': 'gone.ply does not exist',
        'embed a.ply --out b --student act-minni': 'did you mean act-mini?',
        'search a.ply pictures': '1 .jpg',
        'predict gone/epoch_3.pth a.ply': 'no checkpoint at gone/epoch_3.pth',
        'predict pictures a.ply': 'no checkpoint at pictures',
        'export act-mini a.txt': '.onnx',
        'pretrain nowhere': 'nowhere does not exist',
        'report nowhere': 'nowhere does not exist',
    }
    code = (
        'import sys\n'
        f'sys.path.insert(0, {str(ROOT)!r})\n'
        'from mmdet3d_act_cli import main\n'
        f'codes = [main(call.split()) for call in {list(calls)!r}]\n'
        f'assert codes == {[2] * len(calls)!r}\n'
        "assert not {'torch', 'numpy', 'mmdet3d_act'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    for line, offender in zip(told, calls.values(), strict=True):
        assert offender in line


def test_all_suffixes_are_known() -> None:
    assert set(cli.SUFFIXES) == set(scan_files.SUFFIXES)


def test_options_may_stand_between_paths() -> None:
    words = ['search', 'a.ply', '--top', '3', 'clouds', '--tile', '2']
    args = cli.build_parser().parse_args(words)
    assert (args.query, args.top, args.folder) == ('a.ply', 3, 'clouds')


def test_the_examples_are_understood() -> None:
    (parsers,) = cli.build_parser()._subparsers._group_actions
    assert tuple(parsers.choices) == COMMANDS
    for name, parser in parsers.choices.items():
        words = parser.epilog.split('mmdet3d-act ')[1].split()
        args = cli.build_parser().parse_args(words)
        assert args.run is parser.get_default('run'), name


def test_features_and_search(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    student = str(save_pretrained(make_student(), 'student', num_points=64))
    Path('clouds').mkdir()
    for index in range(3):
        points = np.random.default_rng(index).random((100, 3))
        np.save(f'clouds/{index}.npy', points)
    words = ['clouds', '--student', student, '--up-axis', 'z']
    assert cli.main(['embed', *words, '--out', 'features']) == 0
    assert len(list(Path('features').glob('*.npy.npz'))) == 3
    assert 'Written: features' in capsys.readouterr().out
    assert cli.main(['search', 'clouds/1.npy', *words, '--top', '2']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[-5:] for line in lines if line.endswith('npy')] != []
    assert Path('search_1.png').is_file()
    with monkeypatch.context() as context:
        context.setenv('RANK', '1')
        context.setenv('WORLD_SIZE', '2')
        assert cli.main(['embed', *words, '--out', 'parts']) == 0
    assert 'part 2 of 2 of the files' in capsys.readouterr().out
    assert [path.name for path in Path('parts').iterdir()] == ['1.npy.npz']
    Path('clouds/bad.npy').touch()
    assert cli.main(['embed', *words, '--out', 'features']) == 2
    assert 'bad.npy' in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused(capsys) -> None:
    words = ['embed', __file__, '--out', 'none', '--device', 'gpu']
    assert cli.main(words) == 2
    assert capsys.readouterr().err.startswith('--device gpu: ')


def test_students(capsys) -> None:
    assert cli.main(['students']) == 0
    assert student_names()[0] in capsys.readouterr().out
    assert cli.main(['students', cli.STUDENT]) == 0
    assert 'license: apache-2.0' in capsys.readouterr().out
    assert cli.main(['students', 'none']) == 2
    assert cli.STUDENT in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'offender'),
    [
        ('embed a.ply', '--out'),
        ('embd a.ply', 'did you mean embed?'),
        ('embed a --out b --colour', 'did you mean --colors?'),
        ('search a.ply b --top 0', '--top'),
        ('predict a.pth a.ply --score 3', '--score'),
        ('predict a.pth a.bin --columns 2', '--columns'),
        ('pretrain clouds --epochs 1 5', '--epochs'),
        ('embed a --out b --up-axis w', '--up-axis'),
        ('embed a --out b --tile -1', '--tile'),
        ('search a.ply b --scale -1', '--scale'),
        ('predict a.pth a.ply --scale 0', '--scale'),
    ],
)
def test_wrong_words_are_refused(words, offender, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        cli.main(words.split())
    assert offender in capsys.readouterr().err
