"""The pages: links, code, commands, the site, the notebook."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import mmdet3d_act_cli
from tests.small_data import ROOT, write_probe
from tests.test_tools.test_train import run_here

PAGES = [ROOT / 'README.md', ROOT / 'projects/ACT/README.md']
PAGES += sorted((ROOT / 'docs').glob('*.md'))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)


def blocks(text: str, kind: str) -> list[str]:
    return [code for name, code in FENCE.findall(text) if name == kind]


def anchors(text: str) -> set[str]:
    heads = re.findall(r'^#+ (.*)$', FENCE.sub('', text), re.MULTILINE)
    plain = [re.sub(r'[^\w\- ]', '', head).lower() for head in heads]
    return {head.replace(' ', '-') for head in plain}


@pytest.mark.parametrize('name', TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    text = FENCE.sub('', TEXTS[name])
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        path, _, anchor = link.partition('#')
        if '://' in link:
            continue
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize('name', TEXTS)
def test_code_of_the_pages_is_code(name: str) -> None:
    for code in blocks(TEXTS[name], 'python'):
        ast.parse(code)
    lines = '\n'.join(blocks(TEXTS[name], 'bash')).replace('\\\n', ' ')
    targets = re.findall(r'^(\w[\w-]*):', (ROOT / 'Makefile').read_text(), 8)
    for line in lines.splitlines():
        for tool in re.findall(r'(?:python|bash) ((?:tools|bench)\S+)', line):
            assert (ROOT / tool).is_file(), line
        for config in re.findall(r'(?<![\w/])configs/\S+\.py', line):
            if not re.search(r'[*{<]', config):
                assert (ROOT / config).is_file(), line
        for target in re.findall(r'^make (\w+)', line):
            assert target in targets, line
        words = shlex.split(line, comments=True)
        if words[:1] == ['mmdet3d-act'] and '...' not in words:
            mmdet3d_act_cli.build_parser().parse_args(words[1:])


def test_the_site_has_every_page() -> None:
    config = (ROOT / 'zensical.toml').read_text()
    named = set(re.findall(r'"(\w+\.md)"', config))
    assert named == {page.name for page in (ROOT / 'docs').glob('*.md')}


@pytest.mark.skipif(not find_spec('zensical'), reason='needs zensical')
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    shutil.copy(ROOT / 'zensical.toml', tmp_path)
    shutil.copytree(ROOT / 'docs', tmp_path / 'docs')
    (tmp_path / 'mmdet3d_act').symlink_to(ROOT / 'mmdet3d_act')
    command = [sys.executable, '-m', 'zensical', 'build', '--strict']
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert 'PointTransformer' in (tmp_path / 'site/api.html').read_text()


def test_the_new_task_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ('height.py', 'height_config.py')
    code = blocks(TEXTS['docs/new_task.md'], 'python')
    for name, text in zip(names, code, strict=True):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('ACT_PRETRAINED', 'act-mini')
    monkeypatch.setenv('ACT_CLOUDS', str(tmp_path / 'clouds'))
    write_probe(tmp_path, 'clouds')
    steps = ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=4']
    config = ('height_config.py', '--cfg-options', *steps)
    assert run_here('train', *config) == 0
    assert next(Path('work_dirs/height_config').glob('best_height_error*'))


@pytest.mark.slow
def test_the_notebook_runs_in_any_folder(tmp_path: Path) -> None:
    notebook = json.loads((ROOT / 'docs/quickstart.ipynb').read_text())
    cells = [one for one in notebook['cells'] if one['cell_type'] == 'code']
    (tmp_path / 'cells.py').write_text(
        '\n'.join(''.join(one['source']) for one in cells)
    )
    out = subprocess.run(
        [sys.executable, 'cells.py'],
        cwd=tmp_path,
        env={**os.environ, 'MPLBACKEND': 'Agg', 'PYTHONPATH': str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert 'same class: ' in out
    assert 'train_dataloader' not in out
