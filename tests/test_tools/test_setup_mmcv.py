"""Building and keeping MMCV's wheel, with stand-ins for pip and compiler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.test_tools.loading import load_tool
from tests.test_tools.wheels import mmcv_wheel

setup_common = load_tool('setup_common')
setup_mmcv = load_tool('setup_mmcv')

SetupError = setup_common.SetupError
TARGET = setup_mmcv.Target('2.1.0', '2.11.0+cu130', 'cp311', 'linux', 'cpu')


def test_wheel_key_names_all_that_matters():
    assert TARGET.key == 'mmcv-2.1.0_torch-2.11.0+cu130_cp311_linux_cpu'
    others = [TARGET._replace(**{field: 'x'}).key for field in TARGET._fields]
    assert len({TARGET.key, *others}) == 6
    assert not TARGET.cuda
    assert TARGET._replace(accelerator='cu13.0-sm90').cuda


def test_usable_wheels(tmp_path):
    whole = mmcv_wheel(tmp_path / 'whole')
    assert setup_mmcv.usable(whole)
    assert not setup_mmcv.usable(
        mmcv_wheel(tmp_path / 'no_ops', compiled=False)
    )
    half = tmp_path / 'half.whl'
    half.write_bytes(whole.read_bytes()[:300])
    assert not setup_mmcv.usable(half)


def test_wheel_with_a_flipped_byte_is_not_usable(tmp_path):
    wheel = mmcv_wheel(tmp_path)
    content = bytearray(wheel.read_bytes())
    content[content.index(b'xxxx') + 100] ^= 1
    wheel.write_bytes(content)
    assert not setup_mmcv.usable(wheel)


def test_damaged_wheel_leaves_the_cache(cache, capsys):
    folder = cache / 'wheels' / TARGET.key
    assert setup_mmcv.cached_wheel(TARGET) is None
    wheel = mmcv_wheel(folder)
    assert setup_mmcv.cached_wheel(TARGET) == wheel
    wheel.write_bytes(b'half')
    assert setup_mmcv.cached_wheel(TARGET) is None
    assert not wheel.exists()
    assert 'damaged' in capsys.readouterr().out


@pytest.fixture
def fake_pip(monkeypatch):
    """Stand in for pip: ``pip wheel`` leaves a wheel, all calls are kept."""
    calls = []

    def run_logged(command, log, what, environment=None):
        calls.append((command, environment))
        if 'wheel' in command:
            mmcv_wheel(Path(command[command.index('--wheel-dir') + 1]))

    monkeypatch.setattr(setup_mmcv, 'run_logged', run_logged)
    monkeypatch.setattr(setup_mmcv, 'check_compiler', lambda: None)
    return calls


def answers(monkeypatch, *errors):
    """Make the check of the operations give these results in turn."""
    results = iter(errors)
    monkeypatch.setattr(
        setup_mmcv, 'check_operations', lambda python, cuda: next(results)
    )


def test_first_call_builds_second_takes_the_cache(
    cache, fake_pip, monkeypatch, tmp_path
):
    answers(monkeypatch, None, None)
    python, log = tmp_path / 'bin' / 'python', tmp_path / 'log'
    setup_mmcv.provide(python, TARGET, log)
    build, environment = fake_pip[0]
    for option in ('--no-build-isolation', '--no-deps', '--no-cache-dir'):
        assert option in build
    assert environment['MMCV_WITH_OPS'] == '1'
    assert environment['FORCE_CUDA'] == '0'
    assert [('wheel' in command) for command, _ in fake_pip] == [True, False]
    setup_mmcv.provide(python, TARGET, log)
    assert [('wheel' in command) for command, _ in fake_pip][2:] == [False]
    assert not (cache / 'build').exists()


def test_cuda_is_forced_where_it_is_the_target(
    cache, fake_pip, monkeypatch, tmp_path
):
    answers(monkeypatch, None)
    target = TARGET._replace(accelerator='cu13.0-sm90')
    setup_mmcv.provide(tmp_path / 'python', target, tmp_path / 'log')
    environment = fake_pip[0][1]
    assert environment['FORCE_CUDA'] == '1'
    assert 'CUDA_VISIBLE_DEVICES' not in environment


def test_cached_wheel_that_does_not_run_is_built_anew(
    cache, fake_pip, monkeypatch, tmp_path, capsys
):
    old = mmcv_wheel(cache / 'wheels' / TARGET.key)
    old.write_bytes(old.read_bytes() + b'')
    answers(monkeypatch, 'undefined symbol', None)
    setup_mmcv.provide(tmp_path / 'python', TARGET, tmp_path / 'log')
    kinds = [('wheel' in command) for command, _ in fake_pip]
    assert kinds == [False, True, False]
    assert 'undefined symbol' in capsys.readouterr().out


def test_build_that_does_not_run_is_an_error(
    cache, fake_pip, monkeypatch, tmp_path
):
    answers(monkeypatch, 'undefined symbol')
    with pytest.raises(SetupError, match='undefined symbol'):
        setup_mmcv.provide(tmp_path / 'python', TARGET, tmp_path / 'log')


def test_failed_build_leaves_nothing_behind(cache, monkeypatch, tmp_path):
    def run_logged(command, log, what, environment=None):
        out = Path(command[command.index('--wheel-dir') + 1])
        mmcv_wheel(out).write_bytes(b'half')
        raise SetupError('stopped')

    monkeypatch.setattr(setup_mmcv, 'run_logged', run_logged)
    monkeypatch.setattr(setup_mmcv, 'check_compiler', lambda: None)
    with pytest.raises(SetupError, match='stopped'):
        setup_mmcv.provide(tmp_path / 'python', TARGET, tmp_path / 'log')
    assert not list(cache.rglob('*.whl'))


def probe_says(monkeypatch, nvcc, **facts):
    found = dict(
        torch='2.11.0',
        cuda=None,
        arch='',
        python='cp311',
        platform='linux_x86_64',
    )
    found.update(facts)
    code = f'print({setup_mmcv.json.dumps(found)!r})'
    monkeypatch.setattr(setup_mmcv, 'PROBE', code)
    monkeypatch.setattr(setup_mmcv, 'nvcc_version', lambda: nvcc)
    return setup_mmcv.find_target(Path(sys.executable), '2.1.0').accelerator


@pytest.mark.parametrize(
    ('nvcc', 'cuda', 'expected'),
    [
        ('13.0', None, 'cpu'),
        (None, '13.0', 'cpu'),
        ('12.4', '13.0', 'cpu'),
        ('13.1', '13.0', 'cu13.1-sm90'),
    ],
)
def test_accelerator(monkeypatch, nvcc, cuda, expected):
    monkeypatch.delenv('ACT_MMCV_CUDA', raising=False)
    assert probe_says(monkeypatch, nvcc, cuda=cuda, arch='90') == expected


def test_cuda_can_be_left_out(monkeypatch):
    monkeypatch.setenv('ACT_MMCV_CUDA', '0')
    assert probe_says(monkeypatch, '13.0', cuda='13.0', arch='90') == 'cpu'


def test_torch_that_does_not_import_is_an_error(monkeypatch):
    monkeypatch.setattr(setup_mmcv, 'PROBE', 'import no_such_module')
    with pytest.raises(SetupError, match='no_such_module'):
        setup_mmcv.find_target(Path(sys.executable), '2.1.0')


def test_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(setup_mmcv.shutil, 'which', lambda name: None)
    with pytest.raises(SetupError, match=r'package g\+\+'):
        setup_mmcv.check_compiler()
