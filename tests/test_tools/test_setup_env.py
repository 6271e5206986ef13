"""The set-up, with wheels made here: no network, nothing outside tmp_path."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from tests.test_tools.loading import TOOLS, load_tool
from tests.test_tools.wheels import make_wheel

setup_common = load_tool('setup_common')
setup_env = load_tool('setup_env')
setup_packages = load_tool('setup_packages')

REPO = TOOLS.parent
SetupError = setup_common.SetupError
SAME_PYTHON = sys.version_info[:2] == setup_env.PYTHON_VERSION
needs_locked_python = pytest.mark.skipif(
    not SAME_PYTHON, reason='the set-up is for the Python of the lock file'
)


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    if not SAME_PYTHON:
        pytest.skip('the set-up is for the Python of the lock file')
    folder = tmp_path_factory.mktemp('checkout') / '.venv'
    made = setup_env.Environment(folder)
    made.create()
    return made


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels that pip takes packages from, instead of a net."""
    folder = tmp_path / 'wheels'
    for version in ('1.0', '2.0'):
        make_wheel(
            folder,
            'toy_package',
            version,
            {'toy_package.py': f'version = "{version}"\n'},
        )
    for name in ('PIP_EXTRA_INDEX_URL', 'PIP_INDEX_URL', 'PIP_CONFIG_FILE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(folder))
    return folder


def test_created_environment_works(environment):
    assert environment.works()
    assert environment.mark.exists()


def test_half_made_environment_is_made_anew(tmp_path, monkeypatch, capsys):
    made = setup_env.Environment(tmp_path / '.venv')
    (made.folder / 'bin').mkdir(parents=True)
    made.mark.touch()
    (made.folder / 'half').touch()
    answers = iter([False, True])
    monkeypatch.setattr(made, 'works', lambda: next(answers))
    monkeypatch.setattr(setup_env, 'run_logged', lambda *args: None)
    made.create()
    assert not (made.folder / 'half').exists()
    assert 'made anew' in capsys.readouterr().out


def test_foreign_environment_is_not_removed(tmp_path):
    made = setup_env.Environment(tmp_path / '.venv')
    made.folder.mkdir()
    (made.folder / 'somebodys-file').touch()
    with pytest.raises(SetupError, match='move it away'):
        made.create()
    assert (made.folder / 'somebodys-file').exists()


def test_moved_environment_does_not_work(environment, tmp_path):
    moved = tmp_path / '.venv'
    moved.symlink_to(environment.folder)
    python = setup_env.Environment(moved)
    code = 'import sys; print(sys.prefix)'
    prefix = subprocess.run(
        [str(python.python), '-c', code], capture_output=True, text=True
    ).stdout.strip()
    assert python.works() is (prefix == str(moved))


def test_install_pins_installs_once(environment, wheels, capsys):
    pins = {'toy-package': '1.0'}
    setup_env.install_pins(environment, pins, 'installing')
    present = setup_packages.installed(environment.site)
    assert present['toy-package'] == '1.0'
    capsys.readouterr()
    for path in wheels.iterdir():
        path.unlink()
    setup_env.install_pins(environment, pins, 'installing')
    assert 'already there' in capsys.readouterr().out


def test_install_pins_changes_versions(environment, wheels):
    setup_env.install_pins(environment, {'toy-package': '1.0'}, 'installing')
    setup_env.install_pins(environment, {'toy-package': '2.0'}, 'installing')
    module = environment.site / 'toy_package.py'
    assert module.read_text() == 'version = "2.0"\n'


def test_interrupted_install_is_repaired(environment, wheels, capsys):
    pins = {'toy-package': '1.0'}
    setup_env.install_pins(environment, pins, 'installing')
    (environment.site / 'toy_package-1.0.dist-info' / 'RECORD').unlink()
    (environment.site / 'toy_package.py').unlink()
    setup_env.install_pins(environment, pins, 'installing')
    assert (environment.site / 'toy_package.py').exists()
    assert 'not whole' in capsys.readouterr().out
    assert setup_packages.damaged(environment.site, list(pins)) == []


def test_lost_and_empty_files_are_damage(environment, wheels):
    pins = {'toy-package': '1.0'}
    setup_env.install_pins(environment, pins, 'installing')
    module = environment.site / 'toy_package.py'
    module.write_text('')
    names = ['toy-package']
    assert setup_packages.damaged(environment.site, names) == names
    module.unlink()
    assert setup_packages.damaged(environment.site, names) == names
    assert setup_packages.damaged(environment.site, ['other']) == []
    setup_env.install_pins(environment, pins, 'installing')
    assert setup_packages.damaged(environment.site, names) == []


def test_no_network_is_said_clearly(environment, wheels):
    pins = {'absent-package': '1.0'}
    with pytest.raises(SetupError, match='no network'):
        setup_env.install_pins(environment, pins, 'installing')


def test_state_is_written_whole_or_not_at_all(tmp_path):
    made = setup_env.Environment(tmp_path)
    assert made.read_state() == ''
    made.write_state('abc')
    assert made.read_state() == 'abc'
    made.state_file.write_text('{"fingerpr')
    assert made.read_state() == ''


def test_fingerprint_follows_lock_and_scripts(tmp_path, monkeypatch):
    for name in setup_env.INPUTS:
        path = tmp_path / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('')
        else:
            path.mkdir(parents=True)
    lock = tmp_path / 'requirements' / 'lock.txt'
    lock.write_text('torch==2.11.0\n')
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    first = setup_env.fingerprint()
    assert setup_env.fingerprint() == first
    lock.write_text('torch==2.11.1\n')
    second = setup_env.fingerprint()
    (tmp_path / 'tools' / 'setup_mmcv.py').write_text('changed')
    assert len({first, second, setup_env.fingerprint()}) == 3


def test_lock_files_have_exact_versions_only():
    lock = setup_packages.read_pins(REPO / 'requirements' / 'lock.txt')
    mmcv = setup_packages.read_pins(REPO / 'requirements' / 'lock-mmcv.txt')
    assert list(mmcv) == ['mmcv']
    assert 'mmcv' not in lock
    for name in ('torch', 'mmengine', 'mmdet3d', 'setuptools', 'ninja'):
        assert name in lock
    for path in (REPO / 'requirements').glob('*.txt'):
        assert '://' not in path.read_text()
        assert '--' not in path.read_text().replace('"--no-deps"', '').replace(
            '--no-deps', ''
        )


def test_lock_lies_within_the_ranges():
    doctor = load_tool('doctor')
    folder = REPO / 'requirements'
    pins = setup_packages.read_pins(folder / 'lock.txt')
    pins |= setup_packages.read_pins(folder / 'lock-mmcv.txt')
    for group, _ in doctor.GROUPS:
        for name, allowed in doctor.read_requirements(group):
            version = pins[setup_packages.normalise(name)]
            assert doctor.within(version, allowed), (name, version, allowed)


def test_lock_line_without_version_is_refused(tmp_path):
    path = tmp_path / 'lock.txt'
    path.write_text('torch==2.11.0\nnumpy>=1\n')
    with pytest.raises(SetupError, match=r'got "numpy>=1"'):
        setup_packages.read_pins(path)


def test_other_machines_are_refused(monkeypatch):
    monkeypatch.setattr(setup_env.platform, 'machine', lambda: 'aarch64')
    with pytest.raises(SetupError, match='aarch64'):
        setup_env.check_machine()


def test_other_python_is_refused(monkeypatch):
    monkeypatch.setattr(setup_env, 'PYTHON_VERSION', (3, 5))
    with pytest.raises(SetupError, match=r'PYTHON=/path/to/python3\.11'):
        setup_env.check_machine()


def test_full_disk_is_refused(monkeypatch):
    monkeypatch.setattr(setup_env, 'NEEDED_SPACE', 1 << 62)
    with pytest.raises(SetupError, match='make room'):
        setup_env.check_space()


def test_only_one_set_up_at_a_time(cache):
    order = []

    def second():
        with setup_env.only_one():
            order.append('second')

    with setup_env.only_one():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append('first')
    thread.join(timeout=10)
    assert order == ['first', 'second']


@pytest.fixture
def steps(monkeypatch, tmp_path, cache):
    """Run main() with steps that only note that they were called."""
    called = []
    made = setup_env.Environment(tmp_path / '.venv')
    made.folder.mkdir()
    monkeypatch.setattr(setup_env, 'Environment', lambda folder: made)
    monkeypatch.setattr(setup_env, 'quick_check', lambda environment: True)
    monkeypatch.setattr(made, 'works', lambda: True)
    for name in ('install_pins', 'install_mmcv', 'install_package'):
        monkeypatch.setattr(
            setup_env, name, lambda *args, name=name: called.append(name)
        )
    monkeypatch.setattr(setup_env, 'run_logged', lambda *args: None)
    return called


ALL_STEPS = ['install_pins', 'install_pins', 'install_mmcv', 'install_package']


@needs_locked_python
def test_second_call_does_nothing(steps):
    assert setup_env.main([]) == 0
    assert steps == ALL_STEPS
    assert setup_env.main([]) == 0
    assert steps == ALL_STEPS
    assert setup_env.main(['--force']) == 0
    assert steps == ALL_STEPS * 2


@needs_locked_python
def test_broken_environment_is_set_up_again(steps, monkeypatch):
    setup_env.main([])
    results = iter([False, True])
    monkeypatch.setattr(
        setup_env, 'quick_check', lambda environment: next(results)
    )
    assert setup_env.main([]) == 0
    assert steps == ALL_STEPS * 2


@needs_locked_python
def test_interrupted_call_is_gone_on_with(steps, monkeypatch, capsys):
    setup_env.main([])

    def interrupted(environment):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup_env, 'install_mmcv', interrupted)
        assert setup_env.main(['--force']) == 130
    assert 'goes on from here' in capsys.readouterr().err
    # The state of the first, complete call does not count any more.
    del steps[:]
    assert setup_env.main([]) == 0
    assert steps == ALL_STEPS


@needs_locked_python
def test_error_gives_exit_code_1(steps, monkeypatch, capsys):
    def fail(environment):
        raise SetupError('no compiler')

    monkeypatch.setattr(setup_env, 'install_mmcv', fail)
    assert setup_env.main([]) == 1
    assert 'setup: no compiler' in capsys.readouterr().err


def test_setup_needs_the_standard_library_only():
    done = subprocess.run(
        [sys.executable, '-S', '-I', str(TOOLS / 'setup_env.py'), '--help'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '--force' in done.stdout
