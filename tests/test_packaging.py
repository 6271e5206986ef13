"""The wheel, the metadata and the version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from mmdet3d_act.version import __version__
from tests.mini_scannet import write_scannet

REPO = Path(__file__).resolve().parents[1]
SHIPPED = (
    'pyproject.toml',
    'setup.py',
    'MANIFEST.in',
    'README.md',
    'LICENSE',
    'model-index.yml',
    'mmdet3d_act',
    'mmdet3d_act_cli.py',
    'configs',
    'tools',
    'requirements',
)
MIM = 'mmdet3d_act/.mim'

IMPORT_AND_BUILD = """
import sys
from pathlib import Path
target = sys.argv[1]
sys.path.insert(0, target)
import mmdet3d_act
from mmdet3d_act.compat import config_root
from mmengine.config import Config
assert mmdet3d_act.__file__.startswith(target), mmdet3d_act.__file__
root = config_root()
assert str(root).startswith(target), root
names = sorted(root.glob('act/*.py'))
config = Config.fromfile(str(names[0]))
print(mmdet3d_act.__version__, len(names), config.model.type)
"""


HOST = """
import sys
sys.path.insert(0, sys.argv[1])
import mmdet3d_act
from mmengine.hub import get_config
from mmdet3d.apis import inference_detector, init_model
assert mmdet3d_act.__file__.startswith(sys.argv[1])
assert get_config('mmdet3d_act::3detr/3detr_scannet_tiny.py').model
model = init_model(sys.argv[2], sys.argv[3], device='cpu')
result, _ = inference_detector(model, sys.argv[4])
print(len(result.pred_instances_3d.bboxes_3d), len(model.dataset_meta))
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, f'{done.stdout}\n{done.stderr}'
    return done.stdout


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of what a wheel is built from, so that nothing is written."""
    folder = tmp_path_factory.mktemp('source')
    ignored = shutil.ignore_patterns('__pycache__', '*.egg-info')
    for name in SHIPPED:
        path = REPO / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=ignored)
        else:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    output = tmp_path_factory.mktemp('wheel')
    run(
        sys.executable,
        *('-m', 'build', '--wheel', '--no-isolation', '--outdir', output),
        source,
        cwd=output,
        PIP_NO_INDEX='1',
    )
    (path,) = output.glob('*.whl')
    return path


def test_wheel_has_configs_tools_and_modules(wheel):
    assert wheel.name == f'mmdet3d_act-{__version__}-py3-none-any.whl'
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ('configs', 'tools'):
        expected = {
            f'{MIM}/{path.relative_to(REPO).as_posix()}'
            for path in (REPO / folder).rglob('*.py')
        }
        assert expected
        assert expected <= names
    modules = {
        path.relative_to(REPO).as_posix()
        for path in (REPO / 'mmdet3d_act').rglob('*.py')
    }
    assert modules <= names
    assert f'{MIM}/model-index.yml' in names
    assert not any('__pycache__' in name for name in names)
    assert not any(name.startswith(('tests/', 'tools/')) for name in names)


def test_wheel_has_the_command_and_its_students(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = (n for n in names if n.endswith('entry_points.txt'))
        points = archive.read(entry).decode()
    assert 'mmdet3d-act = mmdet3d_act_cli:main' in points
    assert 'mmdet3d_act_cli.py' in names
    folder = REPO / 'mmdet3d_act' / 'students'
    files = [p for p in folder.rglob('*') if p.is_file()]
    files = [path for path in files if path.suffix != '.pyc']
    assert {path.name for path in files} >= {
        'model.safetensors',
        'config.json',
    }
    assert {path.relative_to(REPO).as_posix() for path in files} <= names
    assert sum(path.stat().st_size for path in files) < 5e6


def test_wheel_metadata_has_ranges_and_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (
            name
            for name in archive.namelist()
            if name.endswith('.dist-info/METADATA')
        )
        metadata = archive.read(name).decode()
    assert f'Version: {__version__}\n' in metadata
    files = (REPO / 'requirements').glob('*.txt')
    extras = {file.stem for file in files} - {'runtime', 'bench'}
    for extra in {name for name in extras if not name.startswith('lock')}:
        assert f'Provides-Extra: {extra}\n' in metadata
    required = re.findall(r'Requires-Dist: (.*)', metadata)
    plain = [line for line in required if 'extra ==' not in line]
    assert any(re.match(r'torch\s*\(?>=2\.6', line) for line in plain)
    # Installing into an MMDetection3D environment must not touch MMCV.
    assert not any(line.startswith('mmcv') for line in plain)
    assert any(line.startswith('mmcv') for line in required)


def test_installed_wheel_imports_and_builds_a_config(wheel, tmp_path):
    target = tmp_path / 'target'
    run(
        sys.executable,
        *('-m', 'pip', 'install', '--no-deps', '--no-index', '--quiet'),
        *('--target', target, wheel),
        cwd=tmp_path,
    )
    empty = tmp_path / 'empty'
    empty.mkdir()
    output = run(
        sys.executable,
        *('-c', IMPORT_AND_BUILD, target),
        cwd=empty,
        PYTHONPATH='',
    )
    version, configs, model = output.split()[-3:]
    assert version == __version__
    assert int(configs) == len(list((REPO / 'configs/act').glob('*.py')))
    assert model


@pytest.mark.slow
def test_the_wheel_beside_mmdetection3d(wheel, tmp_path):
    """Its own tools train and test our config, its API predicts."""
    import mmdet3d

    target, data = tmp_path / 'target', write_scannet(tmp_path / 'data')
    run(
        sys.executable,
        *('-m', 'pip', 'install', '--no-deps', '--no-index', '--quiet'),
        *('--target', target, wheel),
        cwd=tmp_path,
    )
    empty = tmp_path / 'empty'
    empty.mkdir()
    shipped = target / MIM / 'configs' / '3detr' / '3detr_scannet_tiny.py'
    config = empty / 'own.py'
    config.write_text(
        f"""
_base_ = {str(shipped)!r}
train_cfg = dict(max_epochs=1, val_interval=1)
model = dict(
    backbone=dict(num_groups=32, num_layers=1),
    bbox_head=dict(num_queries=16, num_layers=1),
)
"""
    )
    tools = Path(mmdet3d.__file__).parent / '.mim' / 'tools'
    options = dict(
        cwd=empty, ACT_DATA_ROOT=f'{data.parent}/', PYTHONPATH=str(target)
    )
    run(sys.executable, tools / 'train.py', config, **options)
    checkpoint = empty / 'work_dirs' / 'own' / 'epoch_1.pth'
    output = run(
        sys.executable, tools / 'test.py', config, checkpoint, **options
    )
    assert 'published/mAP_0.25' in output
    scene = next((data / 'points').iterdir())
    code = sys.executable, '-c', HOST, target, config, checkpoint, scene
    found, known = run(*code, **options).split()[-2:]
    assert int(found) >= 0
    assert int(known) >= 2


def test_citation_and_changelog_name_this_version():
    citation = yaml.safe_load((REPO / 'CITATION.cff').read_text())
    assert citation['version'] == __version__
    text = (REPO / 'CHANGELOG.md').read_text()
    assert re.findall(r'^## (\S+)', text, re.MULTILINE)[0] == __version__
